"""Phantom films: synthetic frontal chest radiographs with known lesions, lungs and shortcuts, for tests, demonstrations and teaching.

By convention, and for teaching only, a filled lobe is labelled `bacterial` and a net over both lungs `viral`.
"""

from deephealth.images.phantom_draw import CUES, LABELS, Phantom, draw_phantom
from deephealth.images.phantom_set import contact_sheet, write_phantoms

__all__ = ["CUES", "LABELS", "Phantom", "contact_sheet", "draw_phantom", "write_phantoms"]
