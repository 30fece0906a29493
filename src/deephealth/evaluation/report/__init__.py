"""The report: one HTML file that needs nothing else, and the same facts as JSON."""

from deephealth.evaluation.report.render import render_html as render_html
from deephealth.evaluation.report.render import report_schema as report_schema
from deephealth.evaluation.report.render import write_report as write_report
