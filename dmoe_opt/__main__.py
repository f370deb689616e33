"""python -m dmoe_opt."""

from dmoe_opt.cli import main

main()
