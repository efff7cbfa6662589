"""Reports of evaluations and of comparisons: pages that need nothing else."""

from hpscli.run.report.comparing import write_comparison as write_comparison
from hpscli.run.report.report import report_html as report_html
from hpscli.run.report.report import report_path as report_path
from hpscli.run.report.report import write_report as write_report
