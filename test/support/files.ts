// The smallest bytes that make a file of each kind, and files as gateways bring them.
import type { Media } from '../../lib/event.ts'

/** Texts are written byte by byte (Latin-1); a number is so many zeros. */
const bytes = (...parts: (string | number | number[])[]): Buffer =>
  Buffer.concat(
    parts.map((part) => {
      if (typeof part === 'number') return Buffer.alloc(part)
      return typeof part === 'string' ? Buffer.from(part, 'latin1') : Buffer.from(part)
    }),
  )

const isoMedia = (brand: string): Buffer => bytes([0, 0, 0, 24], `ftyp${brand}`, 4, 'mif1heic')

export const files = {
  jpeg: bytes([0xff, 0xd8, 0xff, 0xe0, 0, 16], 'JFIF', 20),
  png: Buffer.from(
    'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
    'base64',
  ),
  gif: Buffer.from('R0lGODlhAQABAAAAACwAAAAAAQABAAA=', 'base64'),
  webp: bytes('RIFF', [20, 0, 0, 0], 'WEBPVP8 ', 20),
  heic: isoMedia('heic'),
  bmp: bytes('BM', 40),
  tiff: bytes('II*', 1, [8, 0, 0, 0], 30),
  mp3: bytes('ID3', [3, 0, 0, 0, 0, 0, 0, 0xff, 0xfb, 0x90, 0], 417),
  amr: bytes('#!AMR\n', [0x3c], 31),
  opus: bytes('OggS', 24, 'OpusHead', 40),
  wav: bytes('RIFF', [28, 0, 0, 0], 'WAVEfmt ', 20),
  mp4: isoMedia('mp42'),
  '3gp': isoMedia('3gp4'),
  mov: isoMedia('qt  '),
  webm: bytes([0x1a, 0x45, 0xdf, 0xa3, 0x87, 0x42, 0x82, 0x84], 'webm', [0x18, 0x53, 0x80, 0x67, 0xff]),
  pdf: bytes('%PDF-1.4\n%', [0xe2, 0xe3, 0xcf, 0xd3], '\n1 0 obj\n'),
  html: bytes('<html><script>alert(1)</script></html>'),
  svg: bytes('<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'),
  xml: bytes('<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>'),
  exe: bytes('MZ', 100, 'PE', 20),
  zip: bytes('PK\x03\x04', 40),
  flash: bytes('FWS', [9, 0, 1, 0, 0], 20),
  smil: bytes('<smil><head><layout/></head><body/></smil>'),
}

/** A file that came along with a message. */
export const inline = (content: Buffer | string, fields: Partial<Media> = {}): Media => ({
  contentType: 'application/octet-stream',
  name: null,
  size: null,
  data: typeof content === 'string' ? content : content.toString('base64'),
  url: null,
  ...fields,
})

/** A file that is known by its address only. */
export const linked = (url: string, fields: Partial<Media> = {}): Media => ({
  contentType: 'application/octet-stream',
  name: null,
  size: null,
  data: null,
  url,
  ...fields,
})
