"""Reads a picture from a path or an http(s) URL: PNG, PGM and PPM by itself, JPEG and others through Pillow.

A picture is (width, height, rows, rgb_at): `rows` yields the pixel rows once, `rgb_at(row, x)` is (r, g, b), 0..255.
"""
import io
import re
import struct
import threading
import urllib.request
import zlib

ANSWER_SECONDS = 10
DOWNLOAD_SECONDS = 120
MAX_FILE_BYTES = 50_000_000
MAX_RASTER_BYTES = 120_000_000  # unpacked; a small file can unpack to anything


class PictureError(Exception):
    """The picture cannot be had or read; the text is a clause that follows the picture's name."""


WITH_PILLOW = ((b'\xff\xd8\xff', 'a JPEG'), (b'GIF8', 'a GIF'), (b'RIFF', 'a WebP'), (b'BM', 'a BMP'),
               (b'II*\0', 'a TIFF'), (b'MM\0*', 'a TIFF'))  # fmt: skip


def read_picture(source):
    """Raises PictureError."""
    data = read_source(source)
    if data.startswith(b'\x89PNG\r\n\x1a\n'):
        return read_png(data)
    if re.match(rb'P[2356][\s#]', data):
        return read_pnm(data)
    for magic, kind in WITH_PILLOW:
        if data.startswith(magic):
            return read_with_pillow(data, kind)
    raise PictureError('is empty' if not data else 'is not a picture of a known kind (PNG, PGM, PPM, JPEG)')


def read_source(source):
    """Returns the bytes behind a path or an http(s) URL."""
    if re.match(r'https?://', source, re.I):
        return download(source)
    if re.match(r'[a-z][a-z0-9+.-]*://', source, re.I):
        raise PictureError('is neither a path nor an http or https URL')
    try:
        with open(source, 'rb') as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in the path
        raise PictureError('cannot be opened: %s' % (getattr(error, 'strerror', None) or error))
    if len(data) > MAX_FILE_BYTES:
        raise PictureError('is larger than %d MB' % (MAX_FILE_BYTES // 1_000_000))
    return data


def download(url):
    """Fetches in a thread, because the socket's time-out covers neither the name look-up nor a slow sender."""
    result = {}
    answered = threading.Event()

    def fetch():
        try:
            request = urllib.request.Request(url, headers={'User-Agent': 'img-classify/0.0.1'})
            with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as reply:
                answered.set()
                result['data'] = reply.read(MAX_FILE_BYTES + 1)
        except Exception as error:  # URLError, HTTPException, ValueError, ssl errors: all mean "no picture"
            result['error'] = getattr(error, 'reason', None) or error
            if hasattr(error, 'code'):
                result['error'] = 'the server answered %s %s' % (error.code, error.reason)
        answered.set()

    thread = threading.Thread(target=fetch, daemon=True)
    thread.start()
    if not answered.wait(ANSWER_SECONDS):
        raise PictureError('did not answer within %d s' % ANSWER_SECONDS)
    thread.join(DOWNLOAD_SECONDS)
    if thread.is_alive():
        raise PictureError('was not complete within %d s' % DOWNLOAD_SECONDS)
    if 'error' in result:
        raise PictureError('cannot be fetched: %s' % result['error'])
    if len(result['data']) > MAX_FILE_BYTES:
        raise PictureError('is larger than %d MB' % (MAX_FILE_BYTES // 1_000_000))
    return result['data']


def over_white(value, alpha):
    return 255 - (255 - value) * alpha // 255


def grey_alpha(row, x):
    return (over_white(row[2 * x], row[2 * x + 1]),) * 3


def rgb_alpha(row, x):
    return tuple(over_white(value, row[4 * x + 3]) for value in row[4 * x : 4 * x + 3])


# PNG colour type: samples per pixel, allowed bits per sample, rgb_at
PNG_COLOURS = {
    0: (1, (1, 2, 4, 8, 16), lambda row, x: (row[x],) * 3),
    2: (3, (8, 16), lambda row, x: tuple(row[3 * x : 3 * x + 3])),
    3: (1, (1, 2, 4, 8), None),
    4: (2, (8, 16), grey_alpha),
    6: (4, (8, 16), rgb_alpha),
}


def read_png(data):
    """https://www.w3.org/TR/png-3/; the transparent colour (tRNS) of grey and RGB pictures is ignored."""
    chunks = {}
    for kind, body in png_chunks(data):
        chunks.setdefault(kind, []).append(body)
    chunks = {kind: b''.join(bodies) for kind, bodies in chunks.items()}
    if len(chunks.get(b'IHDR', b'')) != 13:
        raise PictureError('is a damaged PNG: it has no header')
    width, height, depth, colour, method, filtering, interlace = struct.unpack('>IIBBBBB', chunks[b'IHDR'])
    samples, depths, rgb_at = PNG_COLOURS.get(colour, (0, (), None))
    if depth not in depths or method or filtering or interlace > 1 or not width or not height:
        raise PictureError('is a damaged PNG: its header makes no sense')
    if interlace:
        return read_with_pillow(data, 'an interlaced PNG')
    if colour == 3:
        rgb_at = palette_lookup(chunks.get(b'PLTE', b''), chunks.get(b'tRNS', b''))
    stride = (width * samples * depth + 7) // 8
    check_raster_bytes((stride + 1) * height)
    try:
        raw = zlib.decompressobj().decompress(chunks.get(b'IDAT', b''), (stride + 1) * height)
    except zlib.error as error:
        raise PictureError('is a damaged PNG: %s' % error)
    if len(raw) < (stride + 1) * height:
        raise PictureError('is a damaged PNG: it ends too early')
    rows = unfilter(raw, stride, max(1, samples * depth // 8))
    return width, height, to_bytes(rows, depth, scale=colour == 0), rgb_at


def png_chunks(data):
    at = 8
    while True:
        if at + 12 > len(data):
            raise PictureError('is a damaged PNG: it ends too early')
        length, kind = struct.unpack_from('>I4s', data, at)
        body = data[at + 8 : at + 8 + length]
        crc = data[at + 8 + length : at + 12 + length]
        if len(crc) < 4:
            raise PictureError('is a damaged PNG: it ends too early')
        if struct.unpack('>I', crc)[0] != zlib.crc32(body, zlib.crc32(kind)):
            raise PictureError('is a damaged PNG: a checksum is wrong')
        if kind == b'IEND':
            return
        yield kind, body
        at += 12 + length


def palette_lookup(colours, alphas):
    size = len(colours) // 3
    table = [tuple(over_white(value, alphas[i] if i < len(alphas) else 255) for value in colours[3 * i : 3 * i + 3])
             for i in range(size)]  # fmt: skip
    table += [(0, 0, 0)] * (256 - size)  # an index beyond the palette shows black
    return lambda row, x: table[row[x]]


def unfilter(raw, stride, step):
    """Yields the rows without their PNG filters; `step` is the distance to the byte on the left."""
    above = bytearray(stride)
    for start in range(0, len(raw), stride + 1):
        kind, row = raw[start], bytearray(raw[start + 1 : start + 1 + stride])
        if kind == 1:
            for i in range(step, stride):
                row[i] = (row[i] + row[i - step]) & 255
        elif kind == 2:
            row = bytearray((a + b) & 255 for a, b in zip(row, above))
        elif kind == 3:
            for i in range(stride):
                row[i] = (row[i] + ((row[i - step] if i >= step else 0) + above[i]) // 2) & 255
        elif kind == 4:
            unfilter_paeth(row, above, step)
        elif kind:
            raise PictureError('is a damaged PNG: it uses an unknown filter')
        yield row
        above = row


def unfilter_paeth(row, above, step):
    for i in range(min(step, len(row))):
        row[i] = (row[i] + above[i]) & 255
    for i in range(step, len(row)):
        left, up, corner = row[i - step], above[i], above[i - step]
        to_left, to_up, to_corner = abs(up - corner), abs(left - corner), abs(left + up - 2 * corner)
        nearest = left if to_left <= to_up and to_left <= to_corner else up if to_up <= to_corner else corner
        row[i] = (row[i] + nearest) & 255


def to_bytes(rows, depth, scale):
    """One byte per sample; of 16 bits the upper eight. `scale`: spread the values over 0..255."""
    if depth == 8:
        return rows
    if depth == 16:
        return (row[::2] for row in rows)
    top = (1 << depth) - 1
    factor = 255 // top if scale else 1
    table = [bytes((byte >> shift & top) * factor for shift in range(8 - depth, -1, -depth)) for byte in range(256)]
    return (b''.join(table[byte] for byte in row) for row in rows)


PNM_HEADER = re.compile(rb'P([2356])' + rb'(?:\s|#[^\n]*\n)+(\d{1,9})' * 3 + rb'\s')


def read_pnm(data):
    """https://netpbm.sourceforge.net/doc/pnm.html; PGM (P2, P5) and PPM (P3, P6)."""
    header = PNM_HEADER.match(data)
    kind, width, height, top = (int(group) for group in header.groups()) if header else (0, 0, 0, 0)
    if not (width and height and 0 < top < 65536):
        raise PictureError('is a damaged PGM: its header makes no sense')
    stride = width * (3 if kind in (3, 6) else 1)
    check_raster_bytes(stride * height)
    if kind in (2, 3):
        words = re.sub(rb'#[^\n]*', b' ', data[header.end() :]).split()
        if not all(word.isdigit() and len(word) < 6 for word in words):
            raise PictureError('is a damaged PGM: it holds something that is not a number')
        values = [int(word) for word in words]
    elif top < 256:
        values = data[header.end() :]
    else:
        count = (len(data) - header.end()) // 2
        values = struct.unpack_from('>%dH' % count, data, header.end())
    if len(values) < stride * height:
        raise PictureError('is a damaged PGM: it ends too early')
    rows = ([min(value, top) * 255 // top for value in values[at : at + stride]]
            for at in range(0, stride * height, stride))  # fmt: skip
    return width, height, rows, PNG_COLOURS[2 if kind in (3, 6) else 0][2]


def check_raster_bytes(size):
    if size > MAX_RASTER_BYTES:
        raise PictureError('has too many pixels (more than %d MB unpacked)' % (MAX_RASTER_BYTES // 1_000_000))


def read_with_pillow(data, kind):
    try:
        from PIL import Image
    except ImportError:
        raise PictureError('is %s, which can only be read where the Python package Pillow is installed' % kind)
    try:
        picture = Image.open(io.BytesIO(data))
        check_raster_bytes(picture.width * picture.height * 4)
        raw = picture.convert('RGBA').tobytes()
    except PictureError:
        raise
    except Exception as error:  # Pillow raises many kinds for damaged files
        raise PictureError('looks like %s, but cannot be read: %s' % (kind, str(error).split('\n')[0]))
    stride = 4 * picture.width
    return picture.width, picture.height, (raw[at : at + stride] for at in range(0, len(raw), stride)), rgb_alpha
