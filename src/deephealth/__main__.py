"""`python -m deephealth` is the command line."""

import sys

from deephealth.cli.main import main

sys.exit(main())
