#!/usr/bin/env python3
"""Works out, in plain Python and doubles, what the learners must reach on the synthetic stream.

Independent of the C++ code: written from the formulas. Its output stands in
synthetic_stream_test.cc. Run: python3 tests/ml/reference_streams.py [rows]
"""
import math
import sys

CARDINALITIES = [2, 4, 7, 12, 24, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000,
                 100000, 200000, 300000, 30, 300]
M64 = (1 << 64) - 1
SLOTS = (1 << 20) - 1


def mt19937_64(seed):
    state = [seed]
    for i in range(1, 312):
        state.append((6364136223846793005 * (state[-1] ^ (state[-1] >> 62)) + i) & M64)
    upper, lower = 0xFFFFFFFF80000000, 0x7FFFFFFF
    while True:
        for i in range(312):
            x = (state[i] & upper) | (state[(i + 1) % 312] & lower)
            state[i] = state[(i + 156) % 312] ^ (x >> 1) ^ (0xB5026F5AA96619E9 if x & 1 else 0)
        for x in state:
            x ^= (x >> 29) & 0x5555555555555555
            x ^= (x << 17) & 0x71D67FFFEDA60000
            x ^= (x << 37) & 0xFFF7EEE000000000
            yield x ^ (x >> 43)


def mix(a):
    a ^= a >> 33
    a = a * 0xff51afd7ed558ccd & M64
    a ^= a >> 33
    a = a * 0xc4ceb9fe1a85ec53 & M64
    return a ^ (a >> 33)


def unit(a):
    return ((a >> 11) + 0.5) / 2.0 ** 53


GAUSS = {}


def gauss(a):
    if a not in GAUSS:
        GAUSS[a] = (math.sqrt(-2 * math.log(unit(mix(a)))) *
                    math.cos(2 * math.pi * unit(mix(a ^ 0x9e3779b97f4a7c15))))
    return GAUSS[a]


def stream(seed, rows):
    draws = mt19937_64(seed)
    spread = [(c + 1) ** -0.1 - 1 for c in CARDINALITIES]
    for _ in range(rows):
        ks = []
        for c, s in zip(CARDINALITIES, spread):
            x = (s * (next(draws) / 2.0 ** 64) + 1) ** -10
            ks.append(min(max(int(x) - 1, 0), c - 1))
        keys = [(f << 32) + k for f, k in enumerate(ks)]
        z = -3.2 + sum(0.45 * gauss(2 * key + 1) for key in keys)
        z += 0.35 * gauss(0xabcdef * 1000003 + 131071 * ks[3] + ks[6])
        z += 0.35 * gauss(0x1234567 * 1000003 + 131071 * ks[5] + ks[8])
        y = 1 if next(draws) / 2.0 ** 64 < 1 / (1 + math.exp(-z)) else 0
        yield [0] + [mix(key + 12345) & SLOTS for key in keys], y, z


def loss(p, y):
    p = min(max(p, 1e-15), 1 - 1e-15)
    return -math.log(p if y else 1 - p)


def sigmoid(m):
    return 1 / (1 + math.exp(-m))


def ftrl(alpha, beta):
    z, n = {}, {}

    def row(slots, y):
        w = [-z.get(i, 0.0) * alpha / (beta + math.sqrt(n.get(i, 0.0))) for i in slots]
        p = sigmoid(sum(w))
        g = p - y
        for i, wi in zip(slots, w):
            old = n.get(i, 0.0)
            n[i] = old + g * g
            z[i] = z.get(i, 0.0) + g - (math.sqrt(n[i]) - math.sqrt(old)) / alpha * wi
        return p
    return row


def adagrad(rate, eps):
    w, n = {}, {}

    def row(slots, y):
        p = sigmoid(sum(w.get(i, 0.0) for i in slots))
        g = p - y
        for i in slots:
            n[i] = n.get(i, 0.0) + g * g
            w[i] = w.get(i, 0.0) - rate * g / math.sqrt(n[i] + eps)
        return p
    return row


def sgd(rate):
    w = {}

    def row(slots, y):
        p = sigmoid(sum(w.get(i, 0.0) for i in slots))
        for i in slots:
            w[i] = w.get(i, 0.0) - rate(row.t) * (p - y)
        row.t += 1
        return p
    row.t = 1
    return row


def adpredictor(beta, v0, eps, rate):
    # The quantile of `rate`, by bisection.
    low, high = -10.0, 10.0
    for _ in range(200):
        mid = (low + high) / 2
        low, high = (mid, high) if math.erfc(-mid / math.sqrt(2)) / 2 < rate else (low, mid)
    m0 = {0: low * math.sqrt(beta * beta + 21 * v0)}
    mu, s2 = dict(m0), {}

    def row(slots, y):
        total = beta * beta + sum(s2.get(i, v0) for i in slots)
        root = math.sqrt(total)
        sign = 1 if y else -1
        m = sum(mu.get(i, 0.0) for i in slots) / root
        t = sign * m
        v = math.exp(-t * t / 2) / math.sqrt(2 * math.pi) / (math.erfc(-t / math.sqrt(2)) / 2)
        w = v * (v + t)
        for i in slots:
            old = s2.get(i, v0)
            mean = mu.get(i, 0.0) + sign * old / root * v
            var = old * (1 - old / total * w)
            if eps:
                wide = var * v0 / ((1 - eps) * v0 + eps * var)
                mean = wide * ((1 - eps) * mean / var + eps * m0.get(i, 0.0) / v0)
                var = wide
            mu[i], s2[i] = mean, var
        return math.erfc(-m / math.sqrt(2)) / 2
    return row


def main():
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 100000
    learners = {
        'ftrl .2 1': ftrl(.2, 1), 'ftrl .05 1': ftrl(.05, 1),
        'adagrad .1 eps 1e-8': adagrad(.1, 1e-8),
        'sgd .02': sgd(lambda t: .02), 'sgd 1 t^-.5': sgd(lambda t: t ** -0.5),
        'adpredictor 1 .1 0': adpredictor(1, .1, 0, .1),
        'adpredictor 1 .1 1e-3': adpredictor(1, .1, 1e-3, .1),
    }
    sums = {name: [0.0, 0.0] for name in learners}
    positives, bayes = 0, 0.0
    for at, (slots, y, z) in enumerate(stream(1, rows)):
        positives += y
        bayes += loss(sigmoid(z), y)
        for name, row in learners.items():
            one = loss(row(slots, y), y)
            sums[name][0] += one
            if at >= rows // 2:
                sums[name][1] += one
    print(f'rows {rows} positives {positives} bayes {bayes / rows:.7f}')
    for name, (whole, half) in sums.items():
        print(f'{name}: whole {whole / rows:.7f} second half {half / (rows - rows // 2):.7f}')


if __name__ == '__main__':
    main()
