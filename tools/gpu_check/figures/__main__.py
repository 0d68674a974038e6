"""`python -m tools.gpu_check.figures`: see measuring.py."""

import sys

from tools.gpu_check.figures.measuring import main

if __name__ == "__main__":  # ranks that are spawned import this module too
    sys.exit(main(sys.argv[1:]))
