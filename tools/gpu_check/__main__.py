"""`python -m tools.gpu_check`: the table of check.py."""

import sys

from tools.gpu_check.check import main

sys.exit(main(sys.argv[1:]))
