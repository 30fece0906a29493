"""Where the lungs are: the finder, how well it agrees with drawn masks, and pictures of what it found."""
