# ruff: noqa: E501
"""Backward passes as people write them: right ones in many styles, and wrong ones, each one change away from its base."""

TWO = """
import numpy as np

def mine(params, X, y, reg):
    W1, b1, W2, b2 = params["W1"], params["b1"], params["W2"], params["b2"]
    N = X.shape[0]
    z1 = X @ W1 + b1
    h = np.maximum(0, z1)
    s = h @ W2 + b2
    e = np.exp(s - s.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    loss = -np.log(p[np.arange(N), y]).sum() / N + reg * (np.sum(W1 * W1) + np.sum(W2 * W2))
    ds = p.copy()
    ds[np.arange(N), y] -= 1
    ds = ds / N
    gW2 = h.T @ ds + 2 * reg * W2
    gb2 = np.sum(ds, axis=0)
    dh = ds @ W2.T
    dz = dh * (z1 > 0)
    gW1 = X.T @ dz + 2 * reg * W1
    gb1 = np.sum(dz, axis=0)
    return loss, {"W1": gW1, "b1": gb1, "W2": gW2, "b2": gb2}
"""

DEEP = """
import numpy as np

def mine(layers, x, t, lam):
    acts, n = [x], len(x)
    for i, (w, b) in enumerate(layers):
        z = acts[-1] @ w + b
        acts.append(np.tanh(z) if i < len(layers) - 1 else z)
    z = acts[-1] - acts[-1].max(1, keepdims=True)
    logp = z - np.log(np.exp(z).sum(1, keepdims=True))
    cost = -logp[range(n), t].mean() + lam * sum((w ** 2).sum() for w, _ in layers)
    delta = np.exp(logp)
    delta[range(n), t] -= 1
    delta /= n
    grads = []
    for i in reversed(range(len(layers))):
        w, b = layers[i]
        grads.append((acts[i].T @ delta + 2 * lam * w, delta.sum(0)))
        if i > 0:
            delta = (delta @ w.T) * (1 - acts[i] ** 2)
    return cost, grads[::-1]
"""

BATCH = """
import numpy as np

def mine(P, X, y, reg):
    N, eps = len(X), 1e-5
    z = X @ P["W1"] + P["b1"]
    mu, var = z.mean(0), z.var(0)
    r = 1 / np.sqrt(var + eps)
    zh = (z - mu) * r
    u = P["gamma1"] * zh + P["beta1"]
    a = np.maximum(u, 0)
    s = a @ P["W2"] + P["b2"]
    s = s - s.max(1, keepdims=True)
    p = np.exp(s); p /= p.sum(1, keepdims=True)
    loss = -np.log(p[np.arange(N), y]).mean() + reg * ((P["W1"] ** 2).sum() + (P["W2"] ** 2).sum())
    d = p; d[np.arange(N), y] -= 1; d /= N
    G = {"W2": a.T @ d + 2 * reg * P["W2"], "b2": d.sum(0)}
    da = d @ P["W2"].T
    du = da * (u > 0)
    G["gamma1"] = (du * zh).sum(0)
    G["beta1"] = du.sum(0)
    dzh = du * P["gamma1"]
    dvar = (dzh * (z - mu) * -0.5 * r ** 3).sum(0)
    dmu = (-dzh * r).sum(0) + dvar * (-2 * (z - mu)).mean(0)
    dz = dzh * r + dvar * 2 * (z - mu) / N + dmu / N
    G["W1"] = X.T @ dz + 2 * reg * P["W1"]
    G["b1"] = dz.sum(0)
    return loss, G
"""

LAYER = """
import torch

def mine(p, x, y, reg):
    n = x.shape[0]
    z = x @ p["w1"] + p["b1"]
    m = z.mean(dim=1, keepdim=True)
    istd = 1 / torch.sqrt(z.var(dim=1, unbiased=False, keepdim=True) + 1e-5)
    xh = (z - m) * istd
    u = xh * p["g1"] + p["beta1"]
    sig = torch.sigmoid(u)
    a = u * sig
    scores = a @ p["w2"] + p["b2"]
    logp = torch.log_softmax(scores, dim=1)
    loss = -logp[torch.arange(n), y].mean() + reg * (p["w1"].pow(2).sum() + p["w2"].pow(2).sum())
    d = (logp.exp() - torch.nn.functional.one_hot(y, scores.shape[1])) / n
    dw2, db2 = a.t() @ d + 2 * reg * p["w2"], d.sum(0)
    du = (d @ p["w2"].t()) * (sig * (1 + u * (1 - sig)))
    dg, dbeta = (du * xh).sum(0), du.sum(0)
    dxh = du * p["g1"]
    dz = istd * (dxh - dxh.mean(1, keepdim=True) - xh * (dxh * xh).mean(1, keepdim=True))
    dw1, db1 = x.t() @ dz + 2 * reg * p["w1"], dz.sum(0)
    return loss, {"w1": dw1, "b1": db1, "g1": dg, "beta1": dbeta, "w2": dw2, "b2": db2}
"""

DROP = """
import numpy as np

def mine(params, X, y, reg, masks):
    W1, b1, W2, b2, W3, b3 = params
    keep, N = 0.75, len(y)
    z1 = X.dot(W1) + b1; h1 = np.maximum(z1, 0); d1 = h1 * masks[0] / keep
    z2 = d1.dot(W2) + b2; h2 = np.maximum(z2, 0); d2 = h2 * masks[1] / keep
    s = d2.dot(W3) + b3
    p = np.exp(s - s.max(1)[:, None]); p = p / p.sum(1)[:, None]
    loss = -np.mean(np.log(p[np.arange(N), y])) + reg * sum((W ** 2).sum() for W in (W1, W2, W3))
    ds = p; ds[np.arange(N), y] -= 1; ds /= N
    dW3, db3 = d2.T.dot(ds) + 2 * reg * W3, ds.sum(0)
    dd2 = ds.dot(W3.T)
    dz2 = dd2 * masks[1] / keep * (z2 > 0)
    dW2, db2 = d1.T.dot(dz2) + 2 * reg * W2, dz2.sum(0)
    dd1 = dz2.dot(W2.T)
    dz1 = dd1 * masks[0] / keep * (z1 > 0)
    dW1, db1 = X.T.dot(dz1) + 2 * reg * W1, dz1.sum(0)
    return loss, [dW1, db1, dW2, db2, dW3, db3]
"""

COLUMNS = """
import numpy as np

def mine(parameters, X, Y, lam):
    W1, b1, W2, b2 = parameters["W1"], parameters["b1"], parameters["W2"], parameters["b2"]
    m = X.shape[1]
    Z1 = W1 @ X + b1
    A1 = 1 / (1 + np.exp(-Z1))
    Z2 = W2 @ A1 + b2
    E = np.exp(Z2 - Z2.max(axis=0))
    A2 = E / E.sum(axis=0)
    cost = -(Y * np.log(A2)).sum() / m + lam * (np.sum(W1 ** 2) + np.sum(W2 ** 2))
    dZ2 = (A2 - Y) / m
    dW2 = dZ2 @ A1.T + 2 * lam * W2
    db2 = dZ2.sum(axis=1, keepdims=True)
    dA1 = W2.T @ dZ2
    dZ1 = dA1 * A1 * (1 - A1)
    dW1 = dZ1 @ X.T + 2 * lam * W1
    db1 = dZ1.sum(axis=1, keepdims=True)
    return cost, {"dW1": dW1, "db1": db1, "dW2": dW2, "db2": db2}
"""

CLASS = (
    TWO.replace("def mine", "def run")
    + """

class Net:
    def __init__(self, params):
        self.params, self.reg = params, 0.0
    def loss(self, X, y=None, reg=0.0):
        return run(self.params, X, y, reg)

def mine(params, X, y, reg):
    return Net(params).loss(X, y, reg)
"""
)

LEAKY = """
import torch

def mine(params, inputs, targets, weight_decay):
    N = inputs.shape[0]
    z1 = inputs @ params.w1 + params.b1
    h1 = torch.where(z1 > 0, z1, 0.01 * z1)
    z2 = h1 @ params.w2 + params.b2
    h2 = torch.where(z2 > 0, z2, 0.01 * z2)
    logits = h2 @ params.w3 + params.b3
    loss = torch.nn.functional.cross_entropy(logits, targets)
    loss = loss + weight_decay * sum((w ** 2).sum() for w in (params.w1, params.w2, params.w3))
    p = torch.softmax(logits, 1)
    d3 = p.clone()
    d3[range(N), targets] -= 1
    d3 /= N
    w3 = h2.T @ d3 + 2 * weight_decay * params.w3
    b3 = d3.sum(0)
    d2 = d3 @ params.w3.T
    d2[z2 <= 0] *= 0.01
    w2 = h1.T @ d2 + 2 * weight_decay * params.w2
    b2 = d2.sum(0)
    d1 = d2 @ params.w2.T
    d1[z1 <= 0] *= 0.01
    w1 = inputs.T @ d1 + 2 * weight_decay * params.w1
    b1 = d1.sum(0)
    return loss, type(params)(w1, b1, w2, b2, w3, b3)
"""

BASES = {
    "two": TWO,
    "deep": DEEP,
    "batch": BATCH,
    "layer": LAYER,
    "drop": DROP,
    "columns": COLUMNS,
    "class": CLASS,
    "leaky": LEAKY,
}

# base, what is replaced, by what, words that the cause must hold
WRONG = [
    ("two", "ds = ds / N", "ds = ds / (N * p.shape[1])", "number of classes"),
    ("two", "gW2 = h.T @ ds + 2 * reg * W2", "gW2 = h.T @ ds", "W2: the penalty is missing"),
    ("two", "dz = dh * (z1 > 0)", "dz = dh * (z1 > 0.3)", "mask"),
    ("two", "dz = dh * (z1 > 0)", "dz = dh * (z1 < 0)", "mask"),
    ("two", "dz = dh * (z1 > 0)", "dz = dh.copy(); dz[ds.argmax(1)] = 0", "dz1"),
    ("two", "gW1 = X.T @ dz", "gW1 = X.T @ dh", "da1"),
    ("two", "s - s.max(axis=1, keepdims=True)", "s - s.max(axis=0)", "softmax subtracts each class's maximum over the examples"),
    ("two", "gb2 = np.sum(ds, axis=0)", "gb2 = np.full_like(b2, np.sum(ds))", "b2: it is one sum over everything, which softmax makes 0"),
    ("two", "dh = ds @ W2.T", "dh = p @ W2.T", "probabilities"),
    ("two", "dh = ds @ W2.T", "dh = ds @ gW2.T", "takes the gradient of W2"),
    ("two", "dh = ds @ W2.T", "W2 = W2 - 0.1 * gW2; dh = ds @ W2.T", "updated before"),
    ("two", "ds[np.arange(N), y] -= 1", "ds[:, y] -= 1", "columns of all labels"),
    ("two", "ds[np.arange(N), y] -= 1", "ds[np.arange(N), y] -= 1; ds[np.arange(N), y] = 0", "label"),
    ("two", "ds[np.arange(N), y] -= 1", "ds[np.arange(N), s.argmin(1)] -= 1", "smallest score"),
    ("two", "p = e / e.sum(axis=1, keepdims=True)\n", "p = e / e.sum(axis=0, keepdims=True)\n", "examples"),
    ("two", "gb2 = np.sum(ds, axis=0)", "gb2 = np.sum(ds, axis=0, keepdims=True); gW2 = gW2 - 2 * reg * W2", "W2: the penalty is missing"),
    ("two", "gb2 = np.sum(ds, axis=0)", "gb2 = np.sum(ds, axis=0) + 2 * reg * b2", "penalty"),
    ("two", "gW1 = X.T @ dz + 2 * reg * W1", "gW1 = (X.T @ dz + 2 * reg * W1) / N", "1/N"),
    ("two", "gW1 = X.T @ dz + 2 * reg * W1", "gW1 = X.T @ dz + 2 * reg * np.abs(W1)", "absolute"),
    ("deep", "(1 - acts[i] ** 2)", "(1 - np.tanh(acts[i]) ** 2)", "output, where it needs"),
    ("deep", "(1 - acts[i] ** 2)", "(1 - acts[i])", "tanh"),
    ("deep", "(delta @ w.T) * (1 - acts[i] ** 2)", "delta @ w.T", "derivative of tanh is missing"),
    ("deep", "delta /= n", "delta /= delta.size", "number of classes"),
    ("deep", "grads.append((acts[i].T @ delta", "grads.append((acts[i].T @ delta / n", "W"),
    ("deep", "return cost, grads[::-1]", "return cost, [(g, 0 * c) for g, c in grads[::-1]]", "never computed"),
    ("deep", "delta.sum(0)))", "delta.mean(0)))", "1/N"),
    ("batch", "dz = dzh * r + dvar * 2 * (z - mu) / N + dmu / N", "dz = dzh * r", "held fixed"),
    ("batch", "dz = dzh * r + dvar * 2 * (z - mu) / N + dmu / N", "dz = dzh * r + dmu / N", "variance"),
    ("batch", "dzh = du * P[\"gamma1\"]", "dzh = du", "gamma"),
    ("batch", "G[\"gamma1\"] = (du * zh).sum(0)", "G[\"gamma1\"] = (du * z).sum(0)", "dy z, not dy xhat"),
    ("batch", "du = da * (u > 0)", "du = da * (z > 0)", "before the normalization"),
    ("batch", "-0.5 * r ** 3", "-0.5 * r ** 2", "r^2 in place of r^3"),
    ("layer", "dxh.mean(1, keepdim=True) - xh * (dxh * xh).mean(1, keepdim=True)", "dxh.mean(0) - xh * (dxh * xh).mean(0)", "axis"),
    ("layer", "(du * xh).sum(0), du.sum(0)", "(du * xh).sum(0), dxh.sum(0) if False else (du * p[\"g1\"]).sum(0)", "dxhat, not dy"),
    ("drop", "dz2 = dd2 * masks[1] / keep * (z2 > 0)", "dz2 = dd2 * (z2 > 0)", "dropout's mask is missing"),
    ("drop", "dz1 = dd1 * masks[0] / keep * (z1 > 0)", "dz1 = dd1 * masks[0] * (z1 > 0)", "keep probability is missing"),
    ("drop", "d1.T.dot(dz2)", "h1.T.dot(dz2)", "a1 where it needs its layer's input"),
    ("columns", "dZ1 = dA1 * A1 * (1 - A1)", "dZ1 = dA1 * (1 - A1)", "sigmoid"),
    ("columns", "dZ1 = dA1 * A1 * (1 - A1)", "dZ1 = dA1 * Z1 * (1 - Z1)", "sigmoid"),
    ("columns", "db1 = dZ1.sum(axis=1, keepdims=True)", "db1 = dZ1.sum(keepdims=True) + 0 * b1", "sum over everything"),
    ("columns", "dZ2 = (A2 - Y) / m", "dZ2 = (A2 - Y) * A2 * (1 - A2) / m", "p (1 - p)"),
    ("class", "h = np.maximum(0, z1)", "h = globals().setdefault('cache', np.maximum(0, z1))", "stale"),
    ("class", "gW1 = X.T @ dz", "gW1 = X.T @ dz - X.T @ dz + (dz.T @ X).reshape(W1.shape)", "reshaped"),
    ("leaky", "d2[z2 <= 0] *= 0.01", "d2[z2 <= 0] = 0", "leaky"),
    ("leaky", "d2[z2 <= 0] *= 0.01", "d2[z2 <= 0] = 0.01", "dz2 is a constant where a unit is off: the slope must multiply da2: it is 0.01"),
    ("leaky", "d1[z1 <= 0] *= 0.01", "d1[z2.mean() <= 0] *= 0.01", "derivative"),
    ("two", "gW2 = h.T @ ds", "gW2 = (X @ W1).T @ ds", "z1 without its bias"),
    ("two", "gW2 = h.T @ ds", "gW2 = h[:-1].T @ ds[:-1]", "one example is left out, the last"),
    ("two", "ds[np.arange(N), y] -= 1", "ds[np.arange(N), y] -= 0.5", "0.5 in place of 1"),
    ("two", "ds = ds / N", "ds = np.abs(ds) / N", "absolute value"),
    ("two", "dh = ds @ W2.T", "dh = ds @ (W2 - 0.1 * h.T @ ds).T", "updated before"),
    ("batch", "G[\"gamma1\"] = (du * zh).sum(0)", "G[\"gamma1\"] = (du * P[\"gamma1\"] * zh).sum(0)", "dxhat xhat"),
    ("batch", "G[\"gamma1\"] = (du * zh).sum(0)", "G[\"gamma1\"] = (du * zh).sum(0) + 2 * reg * P[\"gamma1\"]", "a gamma must not have a penalty"),
    ("layer", "xh * (dxh * xh).mean(1", "xh * (dxh * z).mean(1", "takes z where it needs xhat"),
    ("layer", "(sig * (1 + u * (1 - sig)))", "(sig * (1 - u * (1 - sig)))", "the second term of the derivative of silu: -1 times"),
    ("drop", "dd1 = dz2.dot(W2.T)", "dd1 = (dd2 * masks[1] / keep).dot(W2.T)", "left out on the way down"),
    ("drop", "[dW1, db1, dW2, db2, dW3, db3]", "[dW1, db2, dW2, db1, dW3, db3]", "b1: shape (7,), expected (8,)"),
    ("leaky", "d1[z1 <= 0] *= 0.01", "d1[z1 > 0] *= 0.01", "wrong way round"),
    ("leaky", "w2 = h1.T @ d2", "w2 = h1.T @ (d3 @ params.w3.T)", "da2"),
    ("two", "return loss, {", "gW1, gW2 = gW1.clip(-0.05, 0.05), gW2.clip(-0.05, 0.05)\n    return loss, {", "W2, W1: it is clipped to -0.05 to 0.05"),
    ("two", "return loss, {", "gW1, gb1, gW2, gb2 = (0.3 * g for g in (gW1, gb1, gW2, gb2))\n    return loss, {", "every gradient is 0.3 times the right one: scaled, or clipped by their norm"),
    ("two", "ds[np.arange(N), y] -= 1", "ds = ds - y[:, None]", "the label's number is subtracted"),
    ("two", "ds = ds / N", "ds = ds // N", "//, which rounds down"),
    ("two", "dz = dh * (z1 > 0)", "dz = dh * (h / h)", "the loss is finite, so it is a division by 0 (0 / 0?) or the logarithm of 0; look at the line of dz1"),
    ("two", "ds = ds / N", "ds = ds / N; ds[:19] *= 1.5; ds[19:] *= 0.75", "38 count 0.75 times, 19 count 1.5 times"),
    ("two", "ds = ds / N", "ds = np.where(np.eye(5)[y] > 0, ds, -ds) / N", "the columns of the other classes alone: it is -1 times the right one"),
    ("two", "ds[np.arange(N), y] -= 1", "ds[np.arange(N), y] = -1", "-1 replaces p in the label's column"),
    ("two", "dh = ds @ W2.T", "dh = np.sign(ds) @ W2.T", "da1 takes the sign of dz2"),
    ("two", "gW2 = h.T @ ds", "gW2 = abs(h.T @ ds)", "W2: it is the absolute value of the gradient"),
    ("two", "gb1 = np.sum(dz, axis=0)", "gb1 = gW1.sum(0)", "b1: it sums the gradient of W1, not dz1"),
    ("two", "return loss, {", "gW1[:, 2] = 0; return loss, {", "W1: wrong in columns 2 only: 0 everywhere"),
    ("two", "dz = dh * (z1 > 0)", "dz = dh * (X @ W1 > 0)", "the derivative of relu takes z1 without its bias"),
    ("two", "gb1 = np.sum(dz, axis=0)", "gb1 = 0 * b1\n    for row in dz: gb1 = (gb1 + row) / N", "divided by N inside the loop"),
    ("layer", "(sig * (1 + u * (1 - sig)))", "(u * sig * (1 - sig))", "the derivative of silu is written as a - z s(z)^2, and should be a + s(z) - z s(z)^2"),
    ("two", "gb1 = np.sum(dz, axis=0)", "gb1 = np.sum(dz, axis=0); gW2[:, 3] = 2 * reg * W2[:, 3]", "W2: wrong in columns 3 only: 0.1 times the parameter, the gradient of a penalty: the data's part is missing"),
    ("two", "ds = p.copy()\n    ds[np.arange(N), y] -= 1\n    ds = ds / N", "m = np.maximum(0, s - s[np.arange(N), y][:, None] + 1); m[np.arange(N), y] = 0\n    loss = m.sum() / N + reg * (np.sum(W1 * W1) + np.sum(W2 * W2))\n    ds = (m > 0) / N; ds[np.arange(N), y] = -1 / N", "dscores is wrong in the label's column alone: it is -1 / N everywhere"),
    ("two", "ds = p.copy()\n    ds[np.arange(N), y] -= 1\n    ds = ds / N", "c = np.arange(1.0, 6.0); loss = -(c[y] * np.log(p[np.arange(N), y])).mean() + reg * (np.sum(W1 * W1) + np.sum(W2 * W2))\n    ds = p.copy(); ds[np.arange(N), y] -= 1; ds = ds * c / N", "the columns, the classes, are multiplied by 0.2, 0.4, 0.6, 0.8, 1"),
    ("two", "ds = p.copy()\n    ds[np.arange(N), y] -= 1\n    ds = ds / N", "q = 1 / (1 + np.exp(-s)); t = np.eye(5)[y]; loss = -(t * np.log(q) + (1 - t) * np.log(1 - q)).sum() / N + reg * (np.sum(W1 * W1) + np.sum(W2 * W2))\n    ds = (q - t) * q * (1 - q) / N", "dscores is the right one times (s(scores) - s(scores)^2)"),
    ("two", "ds = p.copy()\n    ds[np.arange(N), y] -= 1\n    ds = ds / N", "t = np.eye(5)[y]; loss = ((p - t) ** 2).sum() / N + reg * (np.sum(W1 * W1) + np.sum(W2 * W2))\n    ds = 2 * (p - t) / N", "softmax's derivative is missing: dscores is the gradient in the probabilities"),
    ("two", "ds = p.copy()\n    ds[np.arange(N), y] -= 1\n    ds = ds / N", "q = p[np.arange(N), y]; loss = -((1 - q) ** 2 * np.log(q)).mean() + reg * (np.sum(W1 * W1) + np.sum(W2 * W2))\n    ds = p.copy(); ds[np.arange(N), y] -= 1; ds = ds * ((1 - q) ** 2)[:, None] / N", "(1 + p_y^2 - 2 p_y) / N, p_y the label's probability; is a factor of the loss"),
    ("two", "dh = ds @ W2.T", "dh = (ds @ W2.T).cumsum(0)", "da1 of an example contains those of the examples before it"),
    ("two", "dz = dh * (z1 > 0)", "dz = (dh * (z1 > 0)).cumsum(0)", "dz1 of an example contains those of the examples before it"),
    ("two", "ds = ds / N", "ds = (ds / N).cumsum(0)", "dscores of an example contains those of the examples before it"),
    ("two", "ds = p.copy()\n    ds[np.arange(N), y] -= 1\n    ds = ds / N", "q = 1 / (1 + np.exp(-s)); t = np.eye(5)[y]; loss = 0.5 * ((q - t) ** 2).sum() / N + reg * (np.sum(W1 * W1) + np.sum(W2 * W2))\n    ds = (q - t) / N", "dscores lacks a factor, (s(scores) - s(scores)^2)"),
]  # fmt: skip

# base, replacements, options
RIGHT = [
    ("two", [], {}),
    ("two", [("ds = p.copy()", "ds = p")], {}),
    ("two", [("dz = dh * (z1 > 0)", "dh[z1 <= 0] = 0; dz = dh")], {}),
    ("two", [("reg * (np.sum", "0.5 * reg * (np.sum"), ("2 * reg * W1", "reg * W1"), ("2 * reg * W2", "reg * W2")], {"penalty": "half"}),
    ("two", [(".sum() / N + reg", ".sum() + reg"), ("ds = ds / N\n", "\n")], {"reduction": "sum"}),
    ("two", [("return loss, {", "return {'loss': loss, "), ], {}),
    ("two", [("X @ W1 + b1", "(X.astype('float32') @ W1.astype('float32') + b1.astype('float32'))"), ("return loss, {", "gW1, gb1, gW2, gb2 = (g.astype('float32') for g in (gW1, gb1, gW2, gb2))\n    return loss, {")], {}),
    ("two", [("-np.log(p[np.arange(N), y]).sum() / N", "-np.log(p[np.arange(N), y] + 1e-12).sum() / N")], {}),
    ("two", [("e = np.exp(s - s.max(axis=1, keepdims=True))", "e = np.exp(s - s.max())")], {}),
    ("two", [("return loss, {", "print('loss', loss)\n    return loss, {")], {}),
    ("two", [("gb2 = np.sum(ds, axis=0)", "gb2 = np.ones(N) @ ds"), ("np.sum(dz, axis=0)", "np.einsum('nh->h', dz)")], {}),
    ("two", [("+ np.sum(W2 * W2))", "+ np.sum(W2 * W2) + np.sum(b1 ** 2) + np.sum(b2 ** 2))"), ("np.sum(ds, axis=0)", "np.sum(ds, axis=0) + 2 * reg * b2"), ("np.sum(dz, axis=0)", "np.sum(dz, axis=0) + 2 * reg * b1")], {"penalize_biases": True}),
    ("two", [("reg * (np.sum(W1 * W1) + np.sum(W2 * W2))", "0"), ("+ 2 * reg * W2", ""), ("+ 2 * reg * W1", "")], {"penalty": "none"}),
    ("two", [("np.sum(dz, axis=0)", "np.sum(dz, axis=0).astype('float32')")], {}),
    ("two", [("return loss, {\"W1\": gW1, \"b1\": gb1, \"W2\": gW2, \"b2\": gb2}", "return loss, gW1, gW2, gb1, gb2")], {}),
    ("deep", [], {}),
    ("drop", [("[dW1, db1, dW2, db2, dW3, db3]", "[dW3, db3, dW2, db2, dW1, db1]")], {}),
    ("deep", [("delta = (delta @ w.T) * (1 - acts[i] ** 2)", "delta = delta @ w.T; delta *= 1 - np.square(acts[i])")], {}),
    ("deep", [("np.tanh(z)", "z / (1 + np.exp(-z))"), ("(1 - acts[i] ** 2)", "((lambda q: (lambda s: s * (1 + q * (1 - s)))(1 / (1 + np.exp(-q))))(acts[i - 1] @ layers[i - 1][0] + layers[i - 1][1]))")], {}),
    ("batch", [], {}),
    ("batch", [("dvar * 2 * (z - mu) / N + dmu / N", "dvar * (z - mu) * 2 / N - (dzh * r).mean(0)")], {}),
    ("layer", [], {}),
    ("layer", [("loss = -logp", "p = {k: v for k, v in p.items()}\n    loss = -logp")], {}),
    ("drop", [], {"dropout": 0.25}),
    ("columns", [], {}),
    ("columns", [("dZ1 = dA1 * A1 * (1 - A1)", "dZ1 = np.multiply(dA1, A1 - A1 ** 2)")], {}),
    ("class", [], {}),
    ("leaky", [], {}),
    ("leaky", [("return loss, type(params)(w1, b1, w2, b2, w3, b3)", "return loss.item(), (w1, b1, w2, b2, w3, b3)")], {}),
]  # fmt: skip

# of the base "two", where the loss alone is wrong: what is replaced, by what, words that the cause must hold
LOSS_WRONG = [
    ("-np.log(p[np.arange(N), y]).sum() / N", "-np.log(p[:, y]).mean()", "p[:, y] takes all labels for each example"),
    (
        "-np.log(p[np.arange(N), y]).sum() / N",
        "-(s - s.max(axis=1, keepdims=True) - np.log(np.exp(s).sum(1, keepdims=True)))[np.arange(N), y].mean()",
        "the maximum is subtracted from the label's score alone",
    ),
    (
        "-np.log(p[np.arange(N), y]).sum() / N",
        "(np.log(e.sum(1)) - s[np.arange(N), y]).mean()",
        "the maximum is subtracted inside the logarithm alone",
    ),
    (
        "-np.log(p[np.arange(N), y]).sum() / N",
        "-(np.eye(5)[y] * np.log(p) + (1 - np.eye(5)[y]) * np.log(1 - p)).sum() / N",
        "binary cross-entropy of all outputs",
    ),
    (
        "-np.log(p[np.arange(N), y]).sum() / N",
        "-np.log(p.max(1)).mean()",
        "the logarithm is of the largest probability",
    ),
    ("-np.log(p[np.arange(N), y]).sum() / N", "-np.log(p).sum() / N", "the logarithms of all classes count"),
    (
        "np.sum(W1 * W1) + np.sum(W2 * W2)",
        "np.sum(W1.T @ W1) + np.sum(W2.T @ W2)",
        "the penalty sums all entries of W^T W",
    ),
]
