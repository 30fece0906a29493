/** The film as a texture; window, level, inversion and heatmap in the shader: a frame costs the script a few calls, whatever the film's size. */

import { INFERNO, shares, type Evidence } from './colour'
import type { Drawing, GreyFilm, Renderer } from './renderer'
import { placed } from './view'

const VERTEX = `#version 300 es
uniform vec4 place; // left, top, width, height in parts of the box
out vec2 at;
void main() {
  at = vec2(gl_VertexID & 1, gl_VertexID >> 1);
  vec2 corner = place.xy + at * place.zw;
  gl_Position = vec4(corner.x * 2.0 - 1.0, 1.0 - corner.y * 2.0, 0, 1);
}`

const COLOURS = INFERNO.map((rgb) => `vec3(${rgb.map((value) => value.toFixed(1)).join(',')})`).join(',')
const FRAGMENT = `#version 300 es
precision highp float;
uniform sampler2D film, evidence;
uniform vec2 greys; // black, white
uniform float inverted, opacity;
in vec2 at;
out vec4 colour;
const vec3 inferno[${INFERNO.length}] = vec3[](${COLOURS});
void main() {
  // Half a step sharper than trilinear filtering would have it: fine lines stay when the film is shrunk.
  float grey = clamp((texture(film, at, -0.5).r * 255.0 - greys.x) / (greys.y - greys.x), 0.0, 1.0);
  grey = mix(grey, 1.0 - grey, inverted);
  float share = texture(evidence, at).r;
  float spot = share * ${INFERNO.length - 1}.0;
  int low = min(int(spot), ${INFERNO.length - 2});
  vec3 heat = mix(inferno[low], inferno[low + 1], spot - float(low)) / 255.0;
  colour = vec4(mix(vec3(grey), heat, opacity * share), 1);
}`

export class ShaderRenderer implements Renderer {
  readonly #gl: WebGL2RenderingContext
  readonly #program: WebGLProgram
  readonly #textures: [film: WebGLTexture, evidence: WebGLTexture]
  readonly #uniform: (name: string) => WebGLUniformLocation | null
  #size = { width: 1, height: 1 }

  constructor(gl: WebGL2RenderingContext) {
    this.#gl = gl
    this.#program = link(gl)
    gl.useProgram(this.#program)
    const places = new Map(
      ['place', 'greys', 'inverted', 'opacity', 'film', 'evidence'].map((name) => [name, gl.getUniformLocation(this.#program, name)]),
    )
    this.#uniform = (name) => places.get(name) ?? null
    this.#textures = [gl.createTexture(), gl.createTexture()]
    this.#textures.forEach((texture, unit) => {
      gl.activeTexture(gl.TEXTURE0 + unit)
      gl.bindTexture(gl.TEXTURE_2D, texture)
      for (const side of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) gl.texParameteri(gl.TEXTURE_2D, side, gl.CLAMP_TO_EDGE)
      gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, unit ? gl.LINEAR : gl.LINEAR_MIPMAP_LINEAR)
      gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.LINEAR)
    })
    gl.uniform1i(this.#uniform('film'), 0)
    gl.uniform1i(this.#uniform('evidence'), 1)
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1)
    this.evidence(null)
  }

  film(film: GreyFilm): void {
    const gl = this.#gl
    const { pixels, width, height } = shrunk(film, gl.getParameter(gl.MAX_TEXTURE_SIZE) as number)
    this.#size = { width: film.width, height: film.height }
    gl.activeTexture(gl.TEXTURE0)
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.R8, width, height, 0, gl.RED, gl.UNSIGNED_BYTE, pixels)
    gl.generateMipmap(gl.TEXTURE_2D)
  }

  evidence(evidence: Evidence | null): void {
    const gl = this.#gl
    const cells = evidence ? shares(evidence) : new Float32Array(1)
    gl.activeTexture(gl.TEXTURE1)
    // Half floats are joined bilinearly by every WebGL2, full ones only with an extension.
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.R16F, evidence?.values[0]?.length ?? 1, evidence?.values.length ?? 1, 0, gl.RED, gl.FLOAT, cells)
  }

  draw({ view, opacity, box }: Drawing): void {
    const gl = this.#gl
    const { left, top, width, height } = placed(view, this.#size, box)
    gl.viewport(0, 0, box.width, box.height)
    gl.clearColor(0, 0, 0, 1)
    gl.clear(gl.COLOR_BUFFER_BIT)
    gl.uniform4f(this.#uniform('place'), left / box.width, top / box.height, width / box.width, height / box.height)
    gl.uniform2f(this.#uniform('greys'), view.low, view.high)
    gl.uniform1f(this.#uniform('inverted'), view.inverted ? 1 : 0)
    gl.uniform1f(this.#uniform('opacity'), opacity)
    gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4)
  }

  close(): void {
    for (const texture of this.#textures) this.#gl.deleteTexture(texture)
    this.#gl.deleteProgram(this.#program)
    // A page may hold sixteen contexts; a closed viewer gives its own back at once, not when it is collected.
    this.#gl.getExtension('WEBGL_lose_context')?.loseContext()
  }
}

function link(gl: WebGL2RenderingContext): WebGLProgram {
  const program = gl.createProgram()
  for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]] as const) {
    const shader = gl.createShader(kind)
    if (!shader) throw new Error('The graphics context is lost.')
    gl.shaderSource(shader, source)
    gl.compileShader(shader)
    gl.attachShader(program, shader)
    gl.deleteShader(shader)
  }
  gl.linkProgram(program)
  if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) throw new Error(gl.getProgramInfoLog(program) ?? 'shader')
  return program
}

/** The film halved until its sides are at most `most` pixels. */
export function shrunk(film: GreyFilm, most: number): GreyFilm {
  if (film.width <= most && film.height <= most) return film
  const width = film.width >> 1
  const height = film.height >> 1
  const pixels = new Uint8Array(width * height)
  for (let row = 0, at = 0; row < height; row++) {
    let from = 2 * row * film.width
    for (let column = 0; column < width; column++, from += 2) {
      const below = from + film.width
      pixels[at++] = (film.pixels[from]! + film.pixels[from + 1]! + film.pixels[below]! + film.pixels[below + 1]! + 2) >> 2
    }
  }
  return shrunk({ pixels, width, height }, most)
}
