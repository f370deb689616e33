"""Write the JSON Schemas of files and of what commands print: `python docs/schema/make.py`."""

from pathlib import Path

from dmoe_opt import schema
from dmoe_opt.cli import documents
from dmoe_opt.data import files

here = Path(__file__).parent
for path in (
    *files.write_all(here, schema.documents()),
    *files.write_all(here / "cli", documents.files()),
):
    print(path)
