"""Draws the pictures that the model learns from, and writes pictures as PNG and PGM."""
import math
import struct
import zlib

# Each maker takes a random generator and returns inside(x, y) for a shape within the unit circle, upright.


def circle(rng):
    return lambda x, y: x * x + y * y < 1


def ring(rng):
    hole = rng.uniform(0.4, 0.75) ** 2
    return lambda x, y: hole < x * x + y * y < 1


def crescent(rng):
    shift, size = rng.uniform(0.4, 0.6), rng.uniform(0.75, 0.9) ** 2
    return lambda x, y: x * x + y * y < 1 and (x - shift) ** 2 + y * y > size


def square(rng):
    return lambda x, y: abs(x) < 0.72 and abs(y) < 0.72


def triangle(rng):
    return lambda x, y: y < 0.5 and y > 1.732 * abs(x) - 1


def star(rng):
    inner, half = rng.uniform(0.35, 0.5), math.pi / 5
    a, b = inner * math.sin(half), 1 - inner * math.cos(half)  # the edge from the tip (1, 0) to the inner corner

    def inside(x, y):
        angle = abs((math.atan2(x, -y) + half) % (2 * half) - half)
        r = math.hypot(x, y)
        return a * r * math.cos(angle) + b * r * math.sin(angle) < a

    return inside


def cross(rng):
    arm = rng.uniform(0.2, 0.35)
    return lambda x, y: min(abs(x), abs(y)) < arm and max(abs(x), abs(y)) < 0.9


def heart(rng):
    if rng.random() < 0.4:
        return lambda x, y: (2 * x * x + 1.6 * y * y - 0.9) ** 3 + 3.2 * x * x * y**3 < 0
    lobe, tip = rng.uniform(0.4, 0.5), rng.uniform(0.75, 0.95)  # two discs, and the wedge that touches them
    angle = 2 * math.atan(lobe / (tip + 0.45))
    slope, touch = math.tan(angle), tip - (tip + 0.45) * math.cos(angle)
    return lambda x, y: (abs(x) - lobe) ** 2 + (y + 0.45) ** 2 < lobe**2 or (
        y > -0.45 and abs(x) < (lobe if y < touch else (tip - y) * slope)
    )


def arrow(rng):
    shaft, head = rng.uniform(0.12, 0.22), rng.uniform(-0.1, 0.25)
    slope = rng.uniform(0.5, 0.65) / (1 - head)
    return lambda x, y: (-0.95 < x <= head and abs(y) < shaft) or (head < x and abs(y) < (1 - x) * slope)


def spiral(rng):
    turns, width = rng.uniform(1.8, 2.6), rng.uniform(0.4, 0.55)

    def inside(x, y):
        r = math.hypot(x, y)
        return r < 1 and (r * turns - math.atan2(y, x) / (2 * math.pi)) % 1 < width

    return inside


def stripes(rng):
    count = rng.uniform(1.8, 5)
    return lambda x, y: math.floor(x * count) % 2 == 0


def checkerboard(rng):
    count = rng.uniform(1.8, 4)
    return lambda x, y: (math.floor(x * count) + math.floor(y * count)) % 2 == 0


SHAPES = {maker.__name__: maker for maker in (
    arrow, checkerboard, circle, crescent, cross, heart, ring, spiral, square, star, stripes, triangle)}  # fmt: skip
PATTERNS = ('checkerboard', 'stripes')  # fill the whole picture


def draw_training_picture(rng, label):
    """A shape of any size, place, direction and colour, a bit squeezed, on a shaded and noisy ground."""
    size = rng.choice((24, 32, 40, 48, 48, 64))
    paper, ink = [[rng.uniform(0, 255) for _ in range(3)] for _ in range(2)]
    while sum(abs(a - b) for a, b in zip(paper, ink)) < 150:
        ink = [rng.uniform(0, 255) for _ in range(3)]
    scale = 1 if label in PATTERNS else rng.uniform(0.4, 0.92)
    room = (1 - scale) * 0.9
    place = (rng.uniform(-room, room), rng.uniform(-room, room))
    pose = pose_of(scale, rng.uniform(0, 2 * math.pi), rng.uniform(0.88, 1), place)
    shade = [rng.uniform(-25, 25) for _ in range(2)]
    rows = paint(SHAPES[label](rng), size, pose, paper, ink, samples=rng.choice((1, 1, 2)))
    return degrade(rng, rows, shade, noise=rng.choice((0, 4, 12, 25)))


def draw_example(rng, label, size, paper, ink):
    """A clean upright picture."""
    return paint(SHAPES[label](rng), size, pose_of(0.8, 0, 1, (0, 0)), paper, ink, samples=3)


def pose_of(scale, angle, squeeze, place):
    """The matrix from picture coordinates (-1 to 1) to those of the shape, and the shape's place."""
    c, s = math.cos(angle) / scale, math.sin(angle) / scale
    return (c, s, -s / squeeze, c / squeeze), place


def paint(inside, size, pose, paper, ink, samples):
    """Rows of (r, g, b); `samples` × `samples` points are looked at per pixel."""
    (a, b, c, d), (x0, y0) = pose
    steps = [2 * (i + 0.5) / (size * samples) - 1 for i in range(size * samples)]
    colours = [[low + (high - low) * n / samples**2 for low, high in zip(paper, ink)] for n in range(samples**2 + 1)]
    rows = []
    for line in range(0, len(steps), samples):
        counts = [0] * size
        for y in steps[line : line + samples]:
            for i, x in enumerate(steps):
                u, v = x - x0, y - y0
                if inside(a * u + b * v, c * u + d * v):
                    counts[i // samples] += 1
        rows.append([tuple(colours[count]) for count in counts])
    return rows


def degrade(rng, rows, shade, noise):
    """Adds a slanting light and grain."""
    grain = [rng.gauss(0, noise) for _ in range(997)] if noise else [0] * 997
    middle, at, result = len(rows) / 2, rng.randrange(997), []
    for y, row in enumerate(rows):
        line = []
        for x, colour in enumerate(row):
            light = (shade[0] * (x - middle) + shade[1] * (y - middle)) / middle
            noisy = (value + light + grain[(at + i) % 997] for i, value in enumerate(colour))
            line.append(tuple(min(255, max(0, value)) for value in noisy))
            at += 3
        result.append(line)
    return result


def png_bytes(rows):
    """8 bits RGB, each row filtered as the difference to the pixel on its left."""

    def chunk(kind, body):
        return struct.pack('>I', len(body)) + kind + body + struct.pack('>I', zlib.crc32(body, zlib.crc32(kind)))

    raw = bytearray()
    for row in rows:
        flat = [round(value) for colour in row for value in colour]
        raw += bytes([1]) + bytes((value - left) & 255 for value, left in zip(flat, [0, 0, 0] + flat))
    header = struct.pack('>IIBBBBB', len(rows[0]), len(rows), 8, 2, 0, 0, 0)
    return b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', header) + chunk(b'IDAT', zlib.compress(raw, 9)) + chunk(b'IEND', b'')


def pgm_bytes(rows):
    """Binary PGM (P5)."""
    grey = bytes(round(0.299 * r + 0.587 * g + 0.114 * b) for row in rows for r, g, b in row)
    return b'P5\n%d %d\n255\n' % (len(rows[0]), len(rows)) + grey
