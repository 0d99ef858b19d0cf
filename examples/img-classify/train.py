#!/usr/bin/env python3
"""Trains model.json from pictures that it draws itself, and measures it on others.

usage: train.py [--pictures 150] [--epochs 25] [--out model.json]
       train.py --draw pictures          only draws the example pictures

Pure Python; the same seed gives the same model.
"""
import argparse
import json
import math
import os
import random
import sys
import time
from collections import Counter
from operator import mul

from classify import extract_features, reduce_picture, score_labels
from draw import SHAPES, draw_example, draw_training_picture, pgm_bytes, png_bytes

HERE = os.path.dirname(os.path.abspath(__file__))
LABELS = sorted(SHAPES)
HIDDEN = 24
SMOOTHING = 0.04  # a little of each answer goes to the other labels, so that scores stay modest
DECAY = 1e-4
EXAMPLES = {
    'circle.png': ('circle', (250, 246, 236), (178, 58, 44)),
    'star.png': ('star', (22, 38, 76), (244, 200, 66)),
    'stripes.png': ('stripes', (240, 238, 230), (36, 92, 104)),
    'heart.pgm': ('heart', (235, 235, 235), (60, 60, 60)),
}


def picture_features(rows):
    grid = reduce_picture(len(rows[0]), len(rows), rows, lambda row, x: row[x])
    return extract_features(grid)


def draw_set(rng, per_label):
    """[(features, index of the label)]"""
    return [(picture_features(draw_training_picture(rng, label)), index)
            for _ in range(per_label) for index, label in enumerate(LABELS)]  # fmt: skip


def normalisation(samples):
    columns = list(zip(*(values for values, _ in samples)))
    means = [sum(column) / len(column) for column in columns]
    spreads = [math.sqrt(sum((value - mean) ** 2 for value in column) / len(column)) or 1.0
               for column, mean in zip(columns, means)]  # fmt: skip
    return means, spreads


def train(rng, samples, epochs):
    """Stochastic gradient descent on the cross entropy. Returns the weights for features as they are."""
    means, spreads = normalisation(samples)
    data = [([(v - m) / s for v, m, s in zip(values, means, spreads)] + [1.0], index) for values, index in samples]
    inputs = len(data[0][0])
    hidden = [[rng.gauss(0, 1 / math.sqrt(inputs)) for _ in range(inputs)] for _ in range(HIDDEN)]
    output = [[rng.gauss(0, 1 / math.sqrt(HIDDEN)) for _ in range(HIDDEN + 1)] for _ in LABELS]
    for epoch in range(epochs):
        rate = 0.03 * (1 - epoch / epochs)
        rng.shuffle(data)
        loss = sum(learn(hidden, output, values, index, rate) for values, index in data)
        print('epoch %2d: loss %.4f' % (epoch + 1, loss / len(data)), file=sys.stderr)
    for row in hidden:  # fold the normalisation into the weights
        bias = row.pop() - sum(weight * mean / spread for weight, mean, spread in zip(row, means, spreads))
        row[:] = [weight / spread for weight, spread in zip(row, spreads)] + [bias]
    return hidden, output


def learn(hidden, output, values, index, rate):
    """One step; returns the loss before it."""
    active = [math.tanh(sum(map(mul, row, values))) for row in hidden] + [1.0]
    sums = [sum(map(mul, row, active)) for row in output]
    powers = [math.exp(value - max(sums)) for value in sums]
    scores = [power / sum(powers) for power in powers]
    faults = [score - SMOOTHING / len(scores) for score in scores]
    faults[index] -= 1 - SMOOTHING
    for unit, row in enumerate(hidden):
        push = sum(fault * line[unit] for fault, line in zip(faults, output)) * (1 - active[unit] ** 2) * rate
        row[:] = [weight * (1 - rate * DECAY) - push * value for weight, value in zip(row, values)]
    for row, fault in zip(output, faults):
        push = fault * rate
        row[:] = [weight - push * value for weight, value in zip(row, active)]
    return -math.log(max(scores[index], 1e-12))


def measure(model, samples):
    """Prints the accuracy, also of the label among the best two, and the commonest confusions."""
    right = second = 0
    confusions = Counter()
    for values, index in samples:
        ranked = [label for _, label in score_labels(model, values)]
        right += ranked[0] == LABELS[index]
        second += LABELS[index] in ranked[:2]
        if ranked[0] != LABELS[index]:
            confusions['%s taken for %s' % (LABELS[index], ranked[0])] += 1
    print('%d pictures not seen in training: %.1f %% right, %.1f %% among the best two'
          % (len(samples), 100 * right / len(samples), 100 * second / len(samples)))  # fmt: skip
    for what, count in confusions.most_common(5):
        print('  %d × %s' % (count, what))


def draw_examples(folder):
    os.makedirs(folder, exist_ok=True)
    for name, (label, paper, ink) in EXAMPLES.items():
        rows = draw_example(random.Random(7), label, 128, paper, ink)
        with open(os.path.join(folder, name), 'wb') as file:
            file.write(png_bytes(rows) if name.endswith('.png') else pgm_bytes(rows))


def rounded(rows):
    return [[float('%.5g' % weight) for weight in row] for row in rows]


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument('--draw', metavar='FOLDER')
    arguments.add_argument('--pictures', type=int, default=150, help='per label')
    arguments.add_argument('--epochs', type=int, default=25)
    arguments.add_argument('--out', default=os.path.join(HERE, 'model.json'))
    options = arguments.parse_args()
    if options.draw:
        return draw_examples(options.draw)
    start = time.time()
    samples = draw_set(random.Random(1), options.pictures)
    print('%d pictures drawn in %.0f s' % (len(samples), time.time() - start), file=sys.stderr)
    hidden, output = train(random.Random(2), samples, options.epochs)
    model = {'labels': LABELS, 'hidden': rounded(hidden), 'output': rounded(output)}
    with open(options.out, 'w') as file:
        json.dump(model, file, separators=(',', ':'))
        file.write('\n')
    print('%s: %d bytes after %.0f s' % (options.out, os.path.getsize(options.out), time.time() - start))
    measure(model, draw_set(random.Random(3), 40))


if __name__ == '__main__':
    main()
