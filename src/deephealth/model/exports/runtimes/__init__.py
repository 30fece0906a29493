"""Each module asks an artefact in the runtime its users will use, in a process of its own (`settings.own_process`).

The request names the unpacked artefact's folder, its interface, and a file of pictures (`asking.write_pictures`); the answer holds the
probabilities, the runtime's name and version, and milliseconds a film.
"""
