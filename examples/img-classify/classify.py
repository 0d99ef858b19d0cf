#!/usr/bin/env python3
"""Names what a picture shows: prints the five best labels, best first, as `label (score = 0.97471)`.

usage: classify.py --image_file PATH_OR_HTTP_URL

PNG, PGM and PPM need nothing but Python 3.6; JPEG and others are read where Pillow is installed.
A picture that cannot be read ends with one sentence on stderr and exit code 1, wrong arguments with 2.
"""
import argparse
import cmath
import json
import math
import os
import sys
from operator import mul

from read_picture import PictureError, read_picture

GRID = 48  # cells on the longer side of the reduced picture
RINGS, ANGLES, HARMONICS = 12, 32, 9
EDGE_POWERS = (1, 2, 3, 4, 5, 6, 8, 10)


def reduce_picture(width, height, rows, rgb_at):
    """Averages the picture into cells, GRID on the longer side; looks at no more than 3 × 3 pixels per cell."""
    cell = max(width, height) / GRID
    per_cell = min(3, max(1, math.ceil(cell)))
    columns, lines = sample_positions(width, cell, per_cell), sample_positions(height, cell, per_cell)
    wanted = {}  # picture row -> sample lines; when a small picture is enlarged one row serves several
    for line, y in enumerate(lines):
        wanted.setdefault(y, []).append(line // per_cell)
    sums = [[[0, 0, 0] for _ in range(len(columns) // per_cell)] for _ in range(len(lines) // per_cell)]
    for y, row in enumerate(rows):
        for line in wanted.get(y, ()):
            for i, x in enumerate(columns):
                total, pixel = sums[line][i // per_cell], rgb_at(row, x)
                total[0] += pixel[0]
                total[1] += pixel[1]
                total[2] += pixel[2]
    return [[tuple(value / per_cell**2 for value in total) for total in line] for line in sums]


def sample_positions(length, cell, per_cell):
    count = max(1, round(length / cell)) * per_cell
    return [int((i + 0.5) * length / count) for i in range(count)]


def distance(a, b):
    return abs(a[0] - b[0]) + abs(a[1] - b[1]) + abs(a[2] - b[2])


def foreground(grid):
    """0..1 per cell: how far its colour is from the commonest colour of the border."""
    border = grid[0] + grid[-1] + [row[0] for row in grid] + [row[-1] for row in grid]
    some = border[:: max(1, len(border) // 32)]
    background = min(some, key=lambda colour: sum(distance(colour, other) for other in some))
    far = [[distance(colour, background) for colour in row] for row in grid]
    low, high = two_means([value for row in far for value in row])
    slope = 2 / max(high - low, 12)  # 12 of 765: fainter shapes are noise
    return [[min(1.0, max(0.0, (value - low) * slope - 0.5)) for value in row] for row in far]


def two_means(values):
    """The centres of the two groups into which the values fall best (one-dimensional k-means)."""
    low, high = min(values), max(values)
    for _ in range(8):
        middle = (low + high) / 2
        above = [value for value in values if value > middle]
        if not above:
            break
        low, high = (sum(values) - sum(above)) / (len(values) - len(above)), sum(above) / len(above)
    return low, high


WAVES = [([math.cos(2 * math.pi * k * n / ANGLES) for k in range(ANGLES)],
          [math.sin(2 * math.pi * k * n / ANGLES) for k in range(ANGLES)]) for n in range(HARMONICS)]  # fmt: skip


def extract_features(grid):
    """Numbers that stay the same when the shape is moved, turned or scaled, or the colours are changed."""
    mask = foreground(grid)
    area = sum(map(sum, mask)) or 1.0
    x0 = sum(sum(map(mul, row, range(len(row)))) for row in mask) / area
    y0 = sum(y * sum(row) for y, row in enumerate(mask)) / area
    spread = sum(value * ((x - x0) ** 2 + (y - y0) ** 2) for y, row in enumerate(mask) for x, value in enumerate(row))
    radius = max(1.0, math.sqrt(spread / area))
    edges, length = edge_moments(mask)
    border = mask[0] + mask[-1] + [row[0] for row in mask] + [row[-1] for row in mask]
    shape = [area / radius**2, length / radius, area / (len(mask) * len(mask[0])), sum(border) / len(border)]
    return ring_spectra(mask, x0, y0, radius) + edges + shape


def ring_spectra(mask, x0, y0, radius):
    """Samples circles around the centre of mass; the size of each harmonic along a circle ignores rotation."""
    spectra = []
    for ring in range(RINGS):
        r = radius * 2.2 * (ring + 0.5) / RINGS
        values = [sample(mask, x0 + r * c, y0 + r * s) for c, s in zip(*WAVES[1])]
        for cosines, sines in WAVES:
            spectra.append(math.hypot(sum(map(mul, values, cosines)), sum(map(mul, values, sines))) / ANGLES)
    return spectra


def sample(mask, x, y):
    """Bilinear; outside the picture is background."""
    column, line = math.floor(x), math.floor(y)
    if not (0 <= column < len(mask[0]) - 1 and 0 <= line < len(mask) - 1):
        return 0.0
    right, down = x - column, y - line
    upper, lower = mask[line], mask[line + 1]
    top = upper[column] + (upper[column + 1] - upper[column]) * right
    return top + (lower[column] + (lower[column + 1] - lower[column]) * right - top) * down


def edge_moments(mask):
    """How the directions of the edges cluster (three for a triangle, …), and the length of all edges."""
    moments, length = [0j] * len(EDGE_POWERS), 0.0
    for above, row, below in zip(mask, mask[1:], mask[2:]):
        for x in range(1, len(row) - 1):
            slope = complex(row[x + 1] - row[x - 1], below[x] - above[x])
            if slope:
                size, angle = cmath.polar(slope)
                length += size
                for i, power in enumerate(EDGE_POWERS):
                    moments[i] += cmath.rect(size, power * angle)
    return [abs(moment) / max(length, 1.0) for moment in moments], length


def score_labels(model, values):
    """A network with one hidden layer; the last weight of each row is its bias. Returns (score, label), best first."""
    hidden = [math.tanh(sum(map(mul, row, values)) + row[-1]) for row in model['hidden']]
    sums = [sum(map(mul, row, hidden)) + row[-1] for row in model['output']]
    powers = [math.exp(value - max(sums)) for value in sums]
    return sorted(zip((power / sum(powers) for power in powers), model['labels']), reverse=True)


class Arguments(argparse.ArgumentParser):
    def error(self, message):
        self.exit(2, 'img-classify: %s; usage: --image_file PATH_OR_HTTP_URL\n' % message)


def main():
    arguments = Arguments(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument('--image_file', required=True, metavar='PATH_OR_HTTP_URL')
    source = arguments.parse_args().image_file
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'model.json')) as file:
        model = json.load(file)
    try:
        grid = reduce_picture(*read_picture(source))
    except PictureError as error:
        print('img-classify: %s %s.' % (source, error), file=sys.stderr)
        return 1
    best = score_labels(model, extract_features(grid))[:5]
    print('\n'.join('%s (score = %.5f)' % (label, score) for score, label in best))
    return 0


if __name__ == '__main__':
    sys.exit(main())
