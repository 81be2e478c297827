"""Dataset packages: versioned, documented, and loading unchanged where people train.

`columns` says what a package row is, `formats` writes rows for trainers and tables, `report` writes what people read
beside them; the other modules choose rows, split them, publish and verify.
"""
