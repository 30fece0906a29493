"""A model file in other formats, each with a certificate of how far its answers are from the model file's.

`exporting.export_model` is the path, `formats.FORMATS` the table; each format writes its artefact in a module of its own and is run, in
`runtimes`, by the package that its users will run it with.
"""
