"""Write the JSON Schemas of the file formats again: `python docs/schema/make.py`."""

from pathlib import Path

from dmoe_opt import schema
from dmoe_opt.data import files

for path in files.write_all(Path(__file__).parent, schema.documents()):
    print(path)
