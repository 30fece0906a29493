import { dictionary } from './index.svelte'

/** The help, one entry a section: NAME is its heading, NAME_text its words in the Markdown of lib/markdown.ts. */
export const help = dictionary({
  title: ['Help', 'Ayuda'],
  contents: ['On this page', 'En esta página'],

  what: ['What this is', 'Qué es esto'],
  what_text: [
    `A workbench for chest films. **Read** asks a model about a film and shows what the answer rests on. **Teach** trains a model on your own films and tells you how far to believe it. **Models** keeps the models with their evidence.

An answer says how much a film looks like the films a model learned from, class by class. It is not a finding, and it knows nothing of the patient.`,
    `Un banco de trabajo para radiografías de tórax. **Leer** pregunta a un modelo por una radiografía y muestra en qué se apoya la respuesta. **Enseñar** entrena un modelo con sus propias radiografías y le dice hasta qué punto fiarse de él. **Modelos** guarda los modelos con su evidencia.

Una respuesta dice cuánto se parece una radiografía, clase por clase, a aquellas de las que aprendió el modelo. No es un hallazgo, y no sabe nada del paciente.`,
  ],

  limits: ['What it must not be used for', 'Para qué no debe usarse'],
  limits_text: [
    `**For research and education. Not a medical device.** Not for diagnosis, triage or treatment, and not for any decision about a patient.

- The model that comes with Deep Health learned from films of children of one to five years, from one hospital in Guangzhou. Nothing is known of how it does on other ages, hospitals or machines.
- It knows the classes it was taught and nothing else. A pneumothorax, a fracture or a tumour has no bar.
- A label is what a data set says about a picture, not the cause of an illness.
- Scores hold for films like the test films. Elsewhere they can be far lower, and only a test there can tell.`,
    `**Para investigación y docencia. No es un producto sanitario.** No sirve para diagnóstico, triaje ni tratamiento, ni para ninguna decisión sobre un paciente.

- El modelo incluido en Deep Health aprendió de radiografías de niños de uno a cinco años de un solo hospital de Cantón. No se sabe cómo responde con otras edades, hospitales o equipos.
- Conoce las clases que se le enseñaron y nada más. Un neumotórax, una fractura o un tumor no tienen barra.
- Una etiqueta es lo que un conjunto de datos dice de una imagen, no la causa de una enfermedad.
- Los resultados valen para radiografías como las de prueba. En otro lugar pueden ser mucho peores, y solo una prueba allí puede decirlo.`,
  ],

  answer: ['How to read an answer', 'Cómo leer una respuesta'],
  answer_text: [
    `- **Bars**: the probability of each class, 100 % together, in the order of the model: 0, 1, 2.
- **The line across a bar**: the operating point. Above it the film counts as positive for the classes named beside it. It was fixed before the test films were looked at; *Why?* says what it finds and what it misses.
- **“8 of 10 such answers were right”**: counted on test films that were answered this surely. Believe this number before the bar.
- **Uncertain**: several classes are probable enough that the right one may be any of them.
- **79 % [71–86], n = 120, 96 patients**: measured on 120 films of 96 patients; the true value lies between 71 and 86 in 95 of 100 such studies. Two scores whose intervals overlap widely are no different for all one knows.`,
    `- **Barras**: la probabilidad de cada clase, que juntas suman 100 %, en el orden del modelo: 0, 1, 2.
- **La línea que cruza una barra**: el punto de operación. Por encima, la radiografía cuenta como positiva para las clases indicadas. Se fijó antes de mirar las radiografías de prueba; *¿Por qué?* dice lo que encuentra y lo que se le escapa.
- **«8 de cada 10 respuestas así fueron correctas»**: contado en radiografías de prueba con respuestas igual de seguras. Fíese de este número antes que de la barra.
- **Dudosa**: varias clases son tan probables que la correcta puede ser cualquiera de ellas.
- **79 % [71–86], n = 120, 96 pacientes**: medido en 120 radiografías de 96 pacientes; el valor verdadero está entre 71 y 86 en 95 de cada 100 estudios así. Dos resultados cuyos intervalos se solapan mucho no se distinguen.`,
  ],

  heatmap: ['The heatmap', 'El mapa de calor'],
  heatmap_text: [
    `The colour shows which places of the film spoke for a class, on a fixed scale, so weak evidence looks weak. It is computed exactly, not estimated, but in coarse squares. It shows what the model used, not where an illness is: warm colour outside the lungs means that the model looks at something it should not.`,
    `El color muestra qué lugares de la radiografía hablaron a favor de una clase, en una escala fija: una evidencia débil se ve débil. El cálculo es exacto, no estimado, aunque en cuadros gruesos. Muestra en qué se basó el modelo, no dónde hay una enfermedad: si hay color fuera de los pulmones, el modelo mira algo que no debería.`,
  ],

  lamps: ['The three lamps of a model', 'Las tres luces de un modelo'],
  lamps_text: [
    `- **Leakage**: were films, copies of films or patients of the test also in the training? Then the scores are worth nothing.
- **Shortcuts**: can the class be told without the lungs, from the corners, the border, the size or the brightness? Then the model may have learned the hospital, not the chest.
- **Calibration**: of the answers given with 80 %, are about 80 in 100 right?

Each lamp opens to the sentence and the numbers behind it. *Not examined* means that nobody has looked, not that all is well.`,
    `- **Fuga de datos**: ¿había en el entrenamiento radiografías, copias o pacientes de la prueba? Entonces los resultados no valen nada.
- **Atajos**: ¿se adivina la clase sin los pulmones, por las esquinas, el borde, el tamaño o el brillo? Entonces el modelo puede haber aprendido el hospital y no el tórax.
- **Calibración**: de las respuestas dadas con un 80 %, ¿aciertan unas 80 de cada 100?

Cada luz se abre y muestra la frase y los números que hay detrás. *Sin examinar* quiere decir que nadie lo ha mirado, no que todo esté bien.`,
  ],

  refused: ['When a film is refused', 'Cuando se rechaza una radiografía'],
  refused_text: [
    `A film is refused when it is too unlike the training films, when its own tags say that it is no frontal chest film, or when it cannot be read. The reason stands where the bars would. Check that the picture is a frontal chest film, upright, with nothing around it. A photograph of a screen or light box is often refused, and rightly.

The numbers can be shown all the same, for those who study the model. They are not an answer.`,
    `Una radiografía se rechaza cuando se parece demasiado poco a las de entrenamiento, cuando sus propios datos dicen que no es frontal de tórax o cuando no se puede leer. El motivo aparece en el lugar de las barras. Compruebe que es una radiografía frontal de tórax, derecha y sin nada alrededor. Una fotografía de una pantalla o un negatoscopio se rechaza a menudo, y con razón.

Los números se pueden mostrar de todos modos, para quien estudie el modelo. No son una respuesta.`,
  ],

  keys: ['Keyboard', 'Teclado'],
  keys_text: [
    `The film must have the focus: click it, or reach it with Tab.

| Key | What it does |
|---|---|
| Arrows | move the film |
| + and − | zoom in and out |
| 0 | fit the whole film |
| Shift with ← → | narrower or wider window |
| Shift with ↑ ↓ | lower or higher level |
| I | invert |
| R | fit, with the greys as stored |
| H | heatmap on or off |
| 1 to 9 | heatmap of that class |
| Page Up, Page Down | previous or next film |
| Ctrl+V | read the picture in the clipboard |
| Ctrl+Z | undo, while the message offers it |

With the mouse: wheel to zoom, drag to move, right-drag for window and level, double click to fit.`,
    `La radiografía debe tener el foco: pulse en ella o llegue con el tabulador.

| Tecla | Qué hace |
|---|---|
| Flechas | mueven la radiografía |
| + y − | amplían y reducen |
| 0 | ajusta la radiografía entera |
| Mayúsculas con ← → | ventana más estrecha o más ancha |
| Mayúsculas con ↑ ↓ | nivel más bajo o más alto |
| I | invierte |
| R | ajusta, con los grises originales |
| H | mapa de calor sí o no |
| de 1 a 9 | mapa de calor de esa clase |
| Re Pág, Av Pág | radiografía anterior o siguiente |
| Ctrl+V | lee la imagen del portapapeles |
| Ctrl+Z | deshace, mientras el mensaje lo ofrezca |

Con el ratón: rueda para ampliar, arrastrar para mover, arrastrar con el botón derecho para ventana y nivel, doble clic para ajustar.`,
  ],

  teaching: ['A lesson: why is it so good?', 'Una lección: ¿por qué acierta tanto?'],
  teaching_text: [
    `Twenty minutes, no film of a patient, no preparation.

- Open **Teach** and take the example “Why is it so good?”. Its films are drawn by a program; the films of each class have a border of their own, as if each came from another scanner.
- Let the class look at the films and guess how well a model will do. Then press **Train**. The accuracy is splendid.
- Ask: what did it learn? Look at the heatmaps of right answers. Then read the audit: the label can be told from the border alone.
- Take the example “Clean” and train again. The accuracy falls, and now it is about the lungs.
- Last, give both models the same new film on **Read**.

What to take home: a good score says that two folders can be told apart. It does not say by what.`,
    `Veinte minutos, sin radiografías de pacientes y sin preparación.

- Abra **Enseñar** y tome el ejemplo «¿Por qué acierta tanto?». Sus radiografías las dibuja un programa; las de cada clase tienen su propio borde, como si vinieran de aparatos distintos.
- Deje que la clase mire las radiografías y apueste cuánto acertará un modelo. Pulse después **Entrenar**. La exactitud es espléndida.
- Pregunte: ¿qué ha aprendido? Miren los mapas de calor de los aciertos. Lean luego la auditoría: la etiqueta se adivina solo con el borde.
- Tome el ejemplo «Limpio» y entrene otra vez. La exactitud baja, y ahora sí trata de los pulmones.
- Por último, pregunte en **Leer** a los dos modelos por la misma radiografía nueva.

Lo que queda: un buen resultado dice que dos carpetas se distinguen. No dice por qué.`,
  ],

  browser: ['In this browser only', 'Solo en este navegador'],
  browser_text: [
    `A switch on **Read** runs the model in the page itself. The film never leaves your device, and after the first time it works without a network. The page reads JPEG, PNG and DICOM that is uncompressed or JPEG; what it cannot read it says, and it asks before anything is sent. The answers are those of the service, to three decimals for the same pixels.`,
    `Un interruptor en **Leer** hace funcionar el modelo en la propia página. La radiografía no sale de su equipo y, tras la primera vez, no hace falta conexión. La página lee JPEG, PNG y DICOM sin comprimir o JPEG; lo que no puede leer lo dice, y pregunta antes de enviar nada. Las respuestas son las del servicio, hasta la tercera cifra decimal con los mismos píxeles.`,
  ],

  privacy: ['What is kept, and where', 'Qué se guarda y dónde'],
  privacy_text: [
    `| What | Where | How long |
|---|---|---|
| Films on Read | in this window only; the service answers and forgets | until the window closes |
| Films on Teach | in the service’s data folder, without name, date or number of the patient | until you delete them, and then the days in which a deletion can be undone |
| Models and reports | in the service’s data folder | until they are deleted |
| Language and theme | in this browser | until you clear it |
| Who did what | the service’s audit log: accounts and numbers, no names of files or patients | always |

Nothing is sent to anyone else: the page and the service ask no other host for anything. Names or dates written into the picture itself are not removed; look before you add a film.`,
    `| Qué | Dónde | Cuánto tiempo |
|---|---|---|
| Radiografías en Leer | solo en esta ventana; el servicio responde y olvida | hasta cerrar la ventana |
| Radiografías en Enseñar | en la carpeta de datos del servicio, sin nombre, fecha ni número del paciente | hasta que las borre, más los días en que se puede deshacer |
| Modelos e informes | en la carpeta de datos del servicio | hasta que se borren |
| Idioma y tema | en este navegador | hasta que borre sus datos |
| Quién hizo qué | registro de auditoría del servicio: cuentas y números, sin nombres de archivos ni de pacientes | siempre |

Nada se envía a terceros: ni la página ni el servicio piden nada a otros servidores. Los nombres o fechas escritos en la propia imagen no se eliminan; mire cada radiografía antes de añadirla.`,
  ],

  programs: ['For programs', 'Para programas'],
  programs_text: [
    `Everything the page does, a program can do over HTTP. One film, answered:

\`\`\`
curl -F file=@film.dcm {url}/api/v1/predictions
\`\`\`

Errors are \`application/problem+json\` with a stable \`code\`. A refused film is an answer, not an error. With accounts, give a token: \`-H "Authorization: Bearer TOKEN"\`.`,
    `Todo lo que hace la página puede hacerlo un programa por HTTP. Una radiografía, respondida:

\`\`\`
curl -F file=@film.dcm {url}/api/v1/predictions
\`\`\`

Los errores son \`application/problem+json\` con un \`code\` estable. Una radiografía rechazada es una respuesta, no un error. Con cuentas, añada una clave: \`-H "Authorization: Bearer CLAVE"\`.`,
  ],
  api_docs: ['Every endpoint, with examples', 'Todas las operaciones, con ejemplos'],
  about_version: ['Deep Health {version}', 'Deep Health {version}'],
})
