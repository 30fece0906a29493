# %% [en]
# # *Deep Health* of 2020, again
#
# *Deep Health* retrained Inception V3's last layer on children's chest films, watched it in TensorBoard, and balanced its classes with changed
# copies of films **before** it split them. This notebook shows what that does to a score, and does it right. About a minute, on drawn films.
# For research and education; not a medical device.
# %% [es]
# # *Deep Health* de 2020, otra vez
#
# *Deep Health* reentrenó la última capa de Inception V3 con radiografías de niños, la siguió en TensorBoard y equilibró las clases con copias
# alteradas **antes** de partir los datos. Este cuaderno muestra qué le hace eso a una puntuación, y lo hace bien. Un minuto, con radiografías
# dibujadas. Para investigación y educación; no es un producto sanitario.
# %%
import os
import tempfile
from pathlib import Path

from sklearn.model_selection import GroupKFold, StratifiedKFold, cross_val_score

from deephealth.datasets.prepare import prepare
from deephealth.datasets.sources import open_dataset
from deephealth.errors import LeakageError
from deephealth.estimator import ChestXrayClassifier
from deephealth.images.phantom_set import write_phantoms
from deephealth.notebook import films_of, frame, show
from deephealth.pipeline import train
from deephealth.training.recipe import Recipe, with_changes

work = Path(tempfile.mkdtemp())
data = os.environ.get("KERMANY")  # a folder of your own: chest_xray of the children's films
if not data:
    data = write_phantoms(work / "films", per_class=40, size=160, seed=3, films_per_patient=2, lesion=0.6)
index = open_dataset(data)
frame(index).groupby("label").agg(films=("name", "size"), patients=("patient", "nunique"))
# %% [en]
# ## As published: copies first, then the split
#
# Every class is filled up with turned, shifted and re-exposed copies, and then films are drawn for the test one by one.
# %% [es]
# ## Como se publicó: primero las copias, después la partición
#
# Cada clase se completa con copias giradas, desplazadas y con otra exposición, y luego se sortean las radiografías de prueba una a una.
# %%
prepare(index, work / "augmented", balance="augment", per_class=100)
augmented = open_dataset(work / "augmented")
paths, labels, patients = films_of(augmented)
classifier = ChestXrayClassifier()
features = classifier.fit(paths, labels, groups=patients).transform(paths)
as_published = cross_val_score(ChestXrayClassifier(), features, labels, cv=StratifiedKFold(5, shuffle=True, random_state=0))
print(f"films at random: accuracy {as_published.mean():.3f}")
# %% [en]
# Copies of a film stand on both sides, and so do other films of the same patient: the head has seen its test.
#
# ## Honest: patients whole, no copies in the test
# %% [es]
# Hay copias de una misma radiografía a ambos lados, y otras del mismo paciente: la cabeza ya ha visto su examen.
#
# ## Con honradez: pacientes enteros, sin copias en la prueba
# %%
paths, labels, patients = films_of(index)
features = classifier.transform(paths)
honest = cross_val_score(ChestXrayClassifier(), features, labels, groups=patients, cv=GroupKFold(5))
print(f"patients whole: accuracy {honest.mean():.3f}; what the old way added: {100 * (as_published.mean() - honest.mean()):+.1f} points")
# %% [en]
# `deephealth train` does not let the old way pass. It finds the copies by their content and refuses:
# %% [es]
# `deephealth train` no deja pasar el método antiguo. Encuentra las copias por su contenido y se niega:
# %%
try:
    train(work / "augmented", work / "refused", recipe=with_changes(Recipe(), split__by="film"))
except LeakageError as error:
    print(error)
# %% [en]
# ## The whole path: split by patient, fit, calibrate, judge, write one file
#
# The softmax head is `retrain.py`'s, fitted as it was in 2015. Curves, histograms and the projector are in `RUN/tensorboard`
# (`deephealth tensorboard RUN`), the report is one HTML file.
# %% [es]
# ## El camino entero: partir por paciente, ajustar, calibrar, juzgar y escribir un archivo
#
# La cabeza softmax es la de `retrain.py`, ajustada como en 2015. Las curvas, los histogramas y el proyector están en `RUN/tensorboard`
# (`deephealth tensorboard RUN`); el informe es un solo archivo HTML.
# %%
run = train(data, work / "run", recipe=with_changes(Recipe(), head__kind="softmax", head__steps=1000), seed=2)
print(run.text())
# %%
frame(run.evaluation)[["score", "value", "low", "high", "n_films", "n_patients"]].round(3)
# %% [en]
# ## One film
# %% [es]
# ## Una radiografía
# %%
show(run.model, paths[0])
# %% [en]
# The score has an interval as wide as the table says. More patients make it narrower; more copies do not.
# %% [es]
# La puntuación tiene el intervalo que dice la tabla. Más pacientes lo estrechan; más copias, no.
