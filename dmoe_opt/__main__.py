"""python -m dmoe_opt."""

from dmoe_opt.cli.entry import main

main()
