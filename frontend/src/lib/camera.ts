/** Pictures of the camera, as files. Free of the framework. */

export type CameraProblem = 'insecure' | 'denied' | 'none' | 'busy'

export class CameraError extends Error {
  constructor(readonly code: CameraProblem) {
    super(code)
  }
}

/** The camera's stream; CameraError says what stands in the way. */
export async function openCamera(): Promise<MediaStream> {
  // Browsers hide the camera from pages that came over plain HTTP from another machine.
  if (!navigator.mediaDevices?.getUserMedia) throw new CameraError('insecure')
  try {
    return await navigator.mediaDevices.getUserMedia({ video: { facingMode: { ideal: 'environment' }, width: { ideal: 1280 } } })
  } catch (error) {
    const name = error instanceof DOMException ? error.name : ''
    if (name === 'NotAllowedError' || name === 'SecurityError') throw new CameraError('denied')
    throw new CameraError(name === 'NotReadableError' || name === 'AbortError' ? 'busy' : 'none')
  }
}

/** What the camera shows now, as a JPEG of at most `side` pixels; null before the first picture. */
export function snapshot(video: HTMLVideoElement, name: string, side = 1024): Promise<File | null> {
  const scale = Math.min(1, side / Math.max(video.videoWidth, video.videoHeight))
  if (!video.videoWidth || !Number.isFinite(scale)) return Promise.resolve(null)
  const canvas = document.createElement('canvas')
  canvas.width = Math.round(video.videoWidth * scale)
  canvas.height = Math.round(video.videoHeight * scale)
  canvas.getContext('2d')?.drawImage(video, 0, 0, canvas.width, canvas.height)
  return new Promise((resolve) => canvas.toBlob((blob) => resolve(blob && new File([blob], name, { type: 'image/jpeg' })), 'image/jpeg', 0.92))
}
