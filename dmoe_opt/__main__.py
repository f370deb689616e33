"""python -m dmoe_opt."""

from dmoe_opt.cli.main import main

main()
