# ruff: noqa: E501
"""Networks that the checker's own formulas do not describe, as people write them: each right, and wrong by one change."""

SOFTSIGN = """
import numpy as np

def mine(net, images, targets, lam):
    a, zs, acts = images, [], [images]
    depth = len(net) // 2
    for k in range(1, depth + 1):
        z = a @ net[f"W{k}"] + net[f"b{k}"]
        zs.append(z)
        a = z / (1 + np.abs(z)) if k < depth else z
        acts.append(a)
    ex = np.exp(a - a.max(1, keepdims=True))
    probs = ex / ex.sum(1, keepdims=True)
    m = len(targets)
    cost = -np.log(probs[np.arange(m), targets]).mean() + lam * sum((net[f"W{k}"] ** 2).sum() for k in range(1, depth + 1))
    d = probs.copy()
    d[np.arange(m), targets] -= 1
    d /= m
    out = {}
    for k in range(depth, 0, -1):
        out[f"W{k}"] = acts[k - 1].T @ d + 2 * lam * net[f"W{k}"]
        out[f"b{k}"] = d.sum(0)
        if k > 1:
            d = d @ net[f"W{k}"].T
            d = d / (1 + np.abs(zs[k - 2])) ** 2
    return cost, out
"""

SWISH = """
import torch

class Swish:
    beta = 1.7
    def forward(self, x):
        self.x = x
        self.s = torch.sigmoid(self.beta * x)
        return x * self.s
    def backward(self, dout):
        return dout * (self.s + self.beta * self.x * self.s * (1 - self.s))

def mine(params, X, y, reg):
    act = Swish()
    pre = X.mm(params["fc1.weight"].t()) + params["fc1.bias"]
    hid = act.forward(pre)
    logits = hid.mm(params["fc2.weight"].t()) + params["fc2.bias"]
    logp = logits - torch.logsumexp(logits, dim=1, keepdim=True)
    loss = -logp.gather(1, y.view(-1, 1)).mean() + reg * (params["fc1.weight"].pow(2).sum() + params["fc2.weight"].pow(2).sum())
    dlogits = logp.exp()
    dlogits[torch.arange(len(y)), y] -= 1.0
    dlogits = dlogits / len(y)
    dhid = dlogits.mm(params["fc2.weight"])
    dpre = act.backward(dhid)
    grads = {"fc2.weight": dlogits.t().mm(hid) + 2 * reg * params["fc2.weight"], "fc2.bias": dlogits.sum(0),
             "fc1.weight": dpre.t().mm(X) + 2 * reg * params["fc1.weight"], "fc1.bias": dpre.sum(0)}
    return loss, grads
"""

HARDTANH = """
import numpy as np

def mine(weights, X, y, reg):
    W1, b1, W2, b2, W3, b3 = weights
    z1 = X.dot(W1) + b1
    a1 = np.clip(z1, -1, 1)
    z2 = a1.dot(W2) + b2
    a2 = np.clip(z2, -1, 1)
    z3 = a2.dot(W3) + b3
    p = np.exp(z3 - z3.max(1, keepdims=True)); p /= p.sum(1, keepdims=True)
    loss = -np.log(p[range(len(y)), y]).mean() + reg * ((W1**2).sum() + (W2**2).sum() + (W3**2).sum())
    g3 = p; g3[range(len(y)), y] -= 1; g3 /= len(y)
    dW3, db3 = a2.T.dot(g3) + 2 * reg * W3, g3.sum(0)
    g2 = g3.dot(W3.T) * ((z2 > -1) & (z2 < 1))
    dW2, db2 = a1.T.dot(g2) + 2 * reg * W2, g2.sum(0)
    g1 = g2.dot(W2.T) * ((z1 > -1) & (z1 < 1))
    dW1, db1 = X.T.dot(g1) + 2 * reg * W1, g1.sum(0)
    return loss, [dW1, db1, dW2, db2, dW3, db3]
"""

PREPARED = """
import numpy as np

def mine(params, X, y, reg):
    W1, b1, W2, b2 = params["W1"], params["b1"], params["W2"], params["b2"]
    Xs = (X - X.mean(axis=0)) / (X.std(axis=0) + 1e-8)
    N = len(Xs)
    z1 = Xs @ W1 + b1
    h1 = np.maximum(z1, 0)
    scores = h1 @ W2 + b2
    scores = scores - np.max(scores, axis=1, keepdims=True)
    probs = np.exp(scores) / np.sum(np.exp(scores), axis=1, keepdims=True)
    loss = np.mean(-np.log(probs[np.arange(N), y])) + reg * (np.sum(W1**2) + np.sum(W2**2))
    dscores = probs
    dscores[np.arange(N), y] -= 1
    dscores /= N
    dW2 = h1.T @ dscores + 2 * reg * W2
    db2 = dscores.sum(axis=0)
    dh1 = dscores @ W2.T
    dh1[z1 <= 0] = 0
    dW1 = Xs.T @ dh1 + 2 * reg * W1
    db1 = dh1.sum(axis=0)
    return loss, {"W1": dW1, "b1": db1, "W2": dW2, "b2": db2}
"""

RMS = """
import numpy as np

def rmsnorm(v):
    scale = 1.0 / np.sqrt(np.mean(v * v, axis=-1, keepdims=True) + 1e-6)
    return v * scale, scale

def mine(params, X, y, reg):
    n = X.shape[0]
    z = X @ params["W1"] + params["b1"]
    h = np.maximum(z, 0)
    hn, scale = rmsnorm(h)
    logits = hn @ params["W2"] + params["b2"]
    logits = logits - logits.max(1, keepdims=True)
    logp = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    loss = -logp[np.arange(n), y].mean() + reg * ((params["W1"] ** 2).sum() + (params["W2"] ** 2).sum())
    dlogits = np.exp(logp)
    dlogits[np.arange(n), y] -= 1
    dlogits /= n
    dhn = dlogits @ params["W2"].T
    dh = scale * (dhn - hn * (dhn * hn).mean(1, keepdims=True))
    dz = dh * (z > 0)
    return loss, {
        "W1": X.T @ dz + 2 * reg * params["W1"], "b1": dz.sum(0),
        "W2": hn.T @ dlogits + 2 * reg * params["W2"], "b2": dlogits.sum(0),
    }
"""

RESIDUAL = """
import numpy as np

def mine(p, X, y, reg):
    N = len(y)
    z1 = X @ p["W1"] + p["b1"]
    h1 = np.maximum(0, z1)
    z2 = h1 @ p["W2"] + p["b2"]
    h2 = h1 + np.maximum(0, z2)
    z3 = h2 @ p["W3"] + p["b3"]
    h3 = h2 + np.maximum(0, z3)
    s = h3 @ p["W4"] + p["b4"]
    e = np.exp(s - s.max(1, keepdims=True))
    q = e / e.sum(1, keepdims=True)
    loss = -np.log(q[np.arange(N), y]).mean() + reg * sum(np.sum(p[k] ** 2) for k in ("W1", "W2", "W3", "W4"))
    ds = q.copy(); ds[np.arange(N), y] -= 1; ds /= N
    g = {"W4": h3.T @ ds, "b4": ds.sum(0)}
    dh3 = ds @ p["W4"].T
    dz3 = dh3 * (z3 > 0)
    g["W3"], g["b3"] = h2.T @ dz3, dz3.sum(0)
    dh2 = dz3 @ p["W3"].T + dh3
    dz2 = dh2 * (z2 > 0)
    g["W2"], g["b2"] = h1.T @ dz2, dz2.sum(0)
    dh1 = dz2 @ p["W2"].T + dh2
    dz1 = dh1 * (z1 > 0)
    g["W1"], g["b1"] = X.T @ dz1, dz1.sum(0)
    for k in ("W1", "W2", "W3", "W4"):
        g[k] = g[k] + 2 * reg * p[k]
    return loss, g
"""

BLOCK = """
import torch

def mine(params, x, t, wd):
    (w_in, b_in), (w_up, b_up), (w_down, b_down), (w_out, b_out) = params
    n = x.size(0)
    h0 = torch.tanh(x @ w_in + b_in)
    u = h0 @ w_up + b_up
    r = torch.relu(u)
    h1 = h0 + r @ w_down + b_down
    logits = h1 @ w_out + b_out
    loss = torch.nn.functional.cross_entropy(logits, t) + wd * sum(w.square().sum() for w, _ in params)
    dlogits = (logits.softmax(-1) - torch.nn.functional.one_hot(t, logits.size(1))) / n
    dw_out, db_out = h1.T @ dlogits, dlogits.sum(0)
    dh1 = dlogits @ w_out.T
    dw_down, db_down = r.T @ dh1, dh1.sum(0)
    du = (dh1 @ w_down.T) * (u > 0)
    dw_up, db_up = h0.T @ du, du.sum(0)
    dh0 = dh1 + du @ w_up.T
    dz0 = dh0 * (1 - h0 ** 2)
    dw_in, db_in = x.T @ dz0, dz0.sum(0)
    return loss, [(dw_in + 2 * wd * w_in, db_in), (dw_up + 2 * wd * w_up, db_up), (dw_down + 2 * wd * w_down, db_down), (dw_out + 2 * wd * w_out, db_out)]
"""

OWNDROP = """
import numpy as np

def dropout(h, rate):
    mask = (np.random.rand(*h.shape) >= rate) / (1 - rate)
    return h * mask, mask

def mine(theta, X, y, reg):
    rate = 0.4
    z1 = X @ theta["W1"] + theta["b1"]
    d1, m1 = dropout(np.maximum(z1, 0), rate)
    z2 = d1 @ theta["W2"] + theta["b2"]
    d2, m2 = dropout(np.maximum(z2, 0), rate)
    out = d2 @ theta["W3"] + theta["b3"]
    out -= out.max(axis=1, keepdims=True)
    P = np.exp(out); P /= P.sum(axis=1, keepdims=True)
    B = len(X)
    loss = -np.log(P[np.arange(B), y]).sum() / B
    loss += reg * (np.sum(theta["W1"]**2) + np.sum(theta["W2"]**2) + np.sum(theta["W3"]**2))
    dout = P; dout[np.arange(B), y] -= 1; dout /= B
    grads = {"W3": d2.T @ dout + 2 * reg * theta["W3"], "b3": dout.sum(axis=0)}
    dz2 = dout @ theta["W3"].T * m2 * (z2 > 0)
    grads["W2"], grads["b2"] = d1.T @ dz2 + 2 * reg * theta["W2"], dz2.sum(axis=0)
    dz1 = dz2 @ theta["W2"].T * m1 * (z1 > 0)
    grads["W1"], grads["b1"] = X.T @ dz1 + 2 * reg * theta["W1"], dz1.sum(axis=0)
    return loss, grads
"""

PLAINBN = """
import numpy as np

def mine(model, X, y, reg):
    W1, b1, W2, b2 = model.W1, model.b1, model.W2, model.b2
    m = X.shape[0]
    z = X @ W1 + b1
    mu = z.mean(axis=0)
    xc = z - mu
    std = np.sqrt((xc ** 2).mean(axis=0) + 1e-5)
    zn = xc / std
    h = np.tanh(zn)
    s = h @ W2 + b2
    p = np.exp(s - s.max(axis=1)[:, None])
    p = p / p.sum(axis=1)[:, None]
    loss = -np.log(p[np.arange(m), y]).sum() / m + reg * ((W1 ** 2).sum() + (W2 ** 2).sum())
    ds = p.copy()
    for i in range(m):
        ds[i, y[i]] -= 1
    ds = ds / m
    dW2 = h.T @ ds + 2 * reg * W2
    db2 = ds.sum(axis=0)
    dzn = (ds @ W2.T) * (1 - h ** 2)
    dz = (dzn - dzn.mean(axis=0) - zn * (dzn * zn).mean(axis=0)) / std
    dW1 = X.T @ dz + 2 * reg * W1
    db1 = dz.sum(axis=0)
    return loss, (dW1, db1, dW2, db2)
"""

UNIT = """
import numpy as np

def mine(W1, b1, W2, b2, X, y, reg):
    X = X / 255.0 * 100
    H = 1.0 / (1.0 + np.exp(-(X.dot(W1) + b1)))
    length = np.sqrt((H ** 2).sum(axis=1))
    F = H / length[:, None]
    S = F.dot(W2) + b2
    Z = np.exp(S)
    Pr = Z / Z.sum(axis=1)[:, None]
    N = y.size
    J = 0.0
    for i in range(N):
        J += -np.log(Pr[i, y[i]])
    J = J / N + reg * ((W1 * W1).sum() + (W2 * W2).sum())
    D = Pr.copy()
    D[range(N), y] -= 1
    D /= N
    dW2 = F.T.dot(D) + 2 * reg * W2
    db2 = D.sum(0)
    dF = D.dot(W2.T)
    dH = np.zeros_like(H)
    for i in range(N):
        dH[i] = dF[i] / length[i] - F[i] * (dF[i] @ F[i]) / length[i]
    dZ1 = dH * H * (1 - H)
    dW1 = X.T.dot(dZ1) + 2 * reg * W1
    db1 = dZ1.sum(0)
    return J, dict(W1=dW1, b1=db1, W2=dW2, b2=db2)
"""

RELU6 = """
import numpy as np

def mine(params, x, y, reg):
    out, cache = x, []
    for i, (W, b) in enumerate(params):
        z = out @ W + b
        cache.append((out, z))
        out = np.minimum(np.maximum(z, 0), 1.5) if i + 1 < len(params) else z
    q = np.exp(out - np.max(out)); q = q / np.sum(q, 1, keepdims=True)
    n = y.shape[0]
    total = 0.0
    for i in range(n):
        total -= np.log(q[i, y[i]])
    total = total / n + reg * sum(np.linalg.norm(W) ** 2 for W, b in params)
    grad = q; grad[range(n), y] -= 1; grad = grad / n
    answer = []
    for i in range(len(params) - 1, -1, -1):
        inp, z = cache[i]
        if i + 1 < len(params):
            grad = np.where((z > 0) & (z < 1.5), grad, 0)
        answer.insert(0, (inp.T @ grad + 2 * reg * params[i][0], grad.sum(0)))
        grad = grad @ params[i][0].T
    return total, answer
"""

POST = """
import numpy as np

def mine(p, X, y, reg):
    n = len(y)
    u1 = X @ p["W1"] + p["b1"]; a1 = np.tanh(u1)
    u2 = a1 @ p["W2"] + p["b2"]
    a2 = np.maximum(u2 + a1, 0)
    s = a2 @ p["W3"] + p["b3"]
    s = s - s.max(1, keepdims=True)
    lp = s - np.log(np.exp(s).sum(1, keepdims=True))
    loss = -lp[np.arange(n), y].mean() + reg * sum((p[k] ** 2).sum() for k in p if k[0] == "W")
    d3 = np.exp(lp); d3[np.arange(n), y] -= 1; d3 /= n
    d2 = d3 @ p["W3"].T * (a2 > 0)
    d1 = (d2 @ p["W2"].T + d2) * (1 - a1 ** 2)
    g = {}
    for k, (a, d) in enumerate(((X, d1), (a1, d2), (a2, d3)), 1):
        g[f"W{k}"] = a.T @ d + 2 * reg * p[f"W{k}"]
        g[f"b{k}"] = d.sum(0)
    return loss, g
"""

SHARED = """
import numpy as np

def mine(params, X, y, reg):
    (W1, b1), (W2, b2), (W3, b3) = params
    h0 = np.tanh(X @ W1 + b1)
    h1 = np.tanh(h0 @ W2 + b2)
    h2 = np.tanh(h1 @ W2 + b2)
    s = h2 @ W3 + b3
    p = np.exp(s - s.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    n = len(y)
    loss = -np.log(p[range(n), y]).mean() + reg * ((W1 ** 2).sum() + (W2 ** 2).sum() + (W3 ** 2).sum())
    p[range(n), y] -= 1
    ds = p / n
    d2 = ds @ W3.T * (1 - h2 ** 2)
    d1 = d2 @ W2.T * (1 - h1 ** 2)
    d0 = d1 @ W2.T * (1 - h0 ** 2)
    g2 = (h1.T @ d2 + h0.T @ d1 + 2 * reg * W2, d2.sum(0) + d1.sum(0))
    return loss, [(X.T @ d0 + 2 * reg * W1, d0.sum(0)), g2, (h2.T @ ds + 2 * reg * W3, ds.sum(0))]
"""

HINGE = """
import numpy as np

def mine(params, X, y, reg):
    h = np.maximum(0, X @ params["W1"] + params["b1"])
    s = h @ params["W2"] + params["b2"]
    n = len(y)
    m = np.maximum(0, s - s[range(n), y][:, None] + 1)
    loss = (m.sum() - n) / n + reg * ((params["W1"] ** 2).sum() + (params["W2"] ** 2).sum())
    d = (m > 0) * 1.0
    d[range(n), y] = 1 - d.sum(1)
    d /= n
    da = d @ params["W2"].T * (h > 0)
    return loss, {"W1": X.T @ da + 2 * reg * params["W1"], "b1": da.sum(0),
                  "W2": h.T @ d + 2 * reg * params["W2"], "b2": d.sum(0)}
"""

SQUARED_HINGE = HINGE.replace("(m.sum() - n) / n", "((m**2).sum() - n) / n").replace(
    "d = (m > 0) * 1.0\n    d[range(n), y] = 1 - d.sum(1)", "d = 2 * m\n    d[range(n), y] = 2 - d.sum(1)"
)

PADDED = """
import numpy as np

def mine(params, X, y, reg):
    W1, b1, W2, b2, W3, b3 = (params[k] for k in ("W1", "b1", "W2", "b2", "W3", "b3"))
    N = X.shape[0]
    z1 = X @ W1 + b1
    a1 = np.maximum(0, z1)
    z2 = a1 @ W2 + b2
    shortcut = np.zeros_like(z2)
    shortcut[:, :a1.shape[1]] = a1
    a2 = np.maximum(0, z2) + shortcut
    s = a2 @ W3 + b3
    p = np.exp(s - s.max(1, keepdims=True)); p /= p.sum(1, keepdims=True)
    loss = -np.log(p[np.arange(N), y]).mean() + reg * sum(np.sum(W ** 2) for W in (W1, W2, W3))
    ds = p; ds[np.arange(N), y] -= 1; ds /= N
    da2 = ds @ W3.T
    dz2 = da2 * (z2 > 0)
    da1 = dz2 @ W2.T + da2[:, :a1.shape[1]]
    dz1 = da1 * (z1 > 0)
    return loss, {"W1": X.T @ dz1 + 2 * reg * W1, "b1": dz1.sum(0), "W2": a1.T @ dz2 + 2 * reg * W2, "b2": dz2.sum(0),
                  "W3": a2.T @ ds + 2 * reg * W3, "b3": ds.sum(0)}
"""

BASES = {
    "padded": PADDED,
    "shared": SHARED,
    "hinge": HINGE,
    "squared hinge": SQUARED_HINGE,
    "softsign": SOFTSIGN,
    "swish": SWISH,
    "hardtanh": HARDTANH,
    "prepared": PREPARED,
    "rms": RMS,
    "residual": RESIDUAL,
    "block": BLOCK,
    "owndrop": OWNDROP,
    "plainbn": PLAINBN,
    "unit": UNIT,
    "relu6": RELU6,
    "post": POST,
}

# base, what is replaced, by what, what the student did, words that the cause must hold
WRONG = [
    (
        "shared",
        "g2 = (h1.T @ d2 + h0.T @ d1 + 2 * reg * W2, d2.sum(0) + d1.sum(0))",
        "g2 = (h1.T @ d2 + 2 * reg * W2, d2.sum(0))",
        "the first use of shared weights is forgotten",
        "are used more than once, and their gradients hold one use alone",
    ),
    (
        "hinge",
        "d[range(n), y] = 1 - d.sum(1)",
        "d[range(n), y] = -d.sum(1)",
        "the label's own margin is counted",
        "wrong in the label's column alone: it is -1 / N off everywhere",
    ),
    (
        "hinge",
        "d[range(n), y] = 1 - d.sum(1)",
        "d[range(n), y] = 0",
        "the label's column is left at 0",
        "it is 0 / N everywhere; it should be minus the sum of the others",
    ),
    (
        "squared hinge",
        "d = 2 * m",
        "d = 2.0 * (m > 0)",
        "the square's derivative forgets the margin",
        "dscores of the other classes lacks a factor, (1 + (s_j - s_y))",
    ),
    (
        "squared hinge",
        "d /= n",
        "d /= 2 * n",
        "a constant of the loss",
        "every gradient is half the right one: a constant (1/2, a temperature, a weight)",
    ),
    (
        "softsign",
        "d = d / (1 + np.abs(zs[k - 2])) ** 2",
        "d = d / (1 + np.abs(zs[k - 2]))",
        "the square of 1 + |z| is forgotten",
        "dz2, dz1: da is multiplied by 1 - |a|, and should be by 1 + a^2 - 2 |a|",
    ),
    (
        "softsign",
        "d = d / (1 + np.abs(zs[k - 2])) ** 2",
        "d = d * (1 - acts[k - 1] ** 2)",
        "tanh's derivative for softsign",
        "dz2, dz1: da is multiplied by 1 - a^2, and should be by 1 + a^2 - 2 |a|",
    ),
    (
        "softsign",
        "d = d / (1 + np.abs(zs[k - 2])) ** 2",
        "pass",
        "no derivative at all",
        "dz2, dz1: dz is da: the derivative of what stands between z and the next layer's input is missing",
    ),
    (
        "swish",
        "self.s + self.beta * self.x * self.s * (1 - self.s)",
        "self.s + self.x * self.s * (1 - self.s)",
        "beta forgotten in the chain",
        "dz1: the formula of the activation's derivative is wrong: it gives",
    ),
    (
        "swish",
        "return dout * (self.s + self.beta * self.x",
        "return dout * (self.s + self.beta * (self.x * self.s)",
        "the product's output for x",
        "dz1: the formula of the activation's derivative is wrong: it gives",
    ),
    (
        "hardtanh",
        "* ((z2 > -1) & (z2 < 1))",
        "* (z2 < 1)",
        "lower bound forgotten",
        "alone: it is 1 there, and should be 0",
    ),
    (
        "hardtanh",
        "* ((z1 > -1) & (z1 < 1))",
        "* (1 - a1 ** 2)",
        "tanh's derivative for hard tanh",
        "dz1: da is multiplied by 1 - a^2, which is not the derivative",
    ),
    (
        "prepared",
        "dW1 = Xs.T @ dh1",
        "dW1 = X.T @ dh1",
        "raw inputs in dW1",
        "W1: it takes the inputs as they were passed where it needs its layer's input",
    ),
    (
        "prepared",
        "dh1[z1 <= 0] = 0",
        "dh1[X @ W1 + b1 <= 0] = 0",
        "mask of the raw inputs' z",
        "the derivative of relu takes z1 of the inputs as they were passed",
    ),
    (
        "rms",
        "dh = scale * (dhn - hn * (dhn * hn).mean(1, keepdims=True))",
        "dh = dhn * scale",
        "the scale is held fixed",
        "dz1: the normalization holds what it divides by fixed",
    ),
    (
        "rms",
        "(dhn * hn).mean(1, keepdims=True)",
        "(dhn * hn).sum(1, keepdims=True)",
        "a sum for a mean",
        "8 times the right one = the number of units: a sum in place of a mean",
    ),
    (
        "rms",
        "dh = scale * (dhn - hn * (dhn * hn).mean(1, keepdims=True))",
        "dh = dhn",
        "the normalization is forgotten",
        "dz1: the normalization is not differentiated: da passes it unchanged",
    ),
    (
        "residual",
        'dh2 = dz3 @ p["W3"].T + dh3',
        'dh2 = dz3 @ p["W3"].T',
        "no skip in the backward pass",
        "da2 lacks the gradient of the way around layer 3, the skip connection",
    ),
    (
        "residual",
        'dh1 = dz2 @ p["W2"].T + dh2',
        'dh1 = dz2 @ p["W2"].T + dz2',
        "dz2 for dh2 around the block",
        "da1 takes dz2 for the way around layer 2, where it needs da2",
    ),
    (
        "block",
        "dh0 = dh1 + du @ w_up.T",
        "dh0 = du @ w_up.T",
        "no skip around a block of two matrices",
        "da1 lacks the gradient of the way around layers 2 to 3, the skip connection",
    ),
    (
        "block",
        "dz0 = dh0 * (1 - h0 ** 2)",
        "dz0 = dh0 * (h0 > 0)",
        "relu's derivative for tanh under a skip",
        "dz1: the derivative is that of relu, and the activation is another",
    ),
    (
        "owndrop",
        'dz1 = dz2 @ theta["W2"].T * m1 * (z1 > 0)',
        '_, m1 = dropout(z1, rate); dz1 = dz2 @ theta["W2"].T * m1 * (z1 > 0)',
        "a new mask in the backward pass",
        "dz1: other units are 0 than in the forward pass",
    ),
    (
        "owndrop",
        'dz2 = dout @ theta["W3"].T * m2 * (z2 > 0)',
        'dz2 = dout @ theta["W3"].T * (z2 > 0)',
        "the mask of dropout forgotten",
        "dz2: the mask of dropout is missing",
    ),
    (
        "plainbn",
        "dz = (dzn - dzn.mean(axis=0) - zn * (dzn * zn).mean(axis=0)) / std",
        "dz = dzn / std",
        "mean and deviation held fixed",
        "held fixed",
    ),
    (
        "plainbn",
        "dz = (dzn - dzn.mean(axis=0) - zn * (dzn * zn).mean(axis=0)) / std",
        "dz = (dzn - dzn.mean(axis=0)) / std",
        "the deviation held fixed",
        "variance",
    ),
    (
        "unit",
        "dH[i] = dF[i] / length[i] - F[i] * (dF[i] @ F[i]) / length[i]",
        "dH[i] = dF[i] / length[i]",
        "the length held fixed",
        "dz1: the normalization holds what it divides by fixed",
    ),
    (
        "unit",
        "X = X / 255.0 * 100\n    H = 1.0 / (1.0 + np.exp(-(X.dot(W1) + b1)))",
        "raw = X; X = X / 255.0 * 100\n    H = 1.0 / (1.0 + np.exp(-(X.dot(W1) + b1))); X = raw",
        "unscaled inputs in dW1",
        "W1: it takes the inputs as they were passed",
    ),
    ("relu6", "(z > 0) & (z < 1.5)", "z > 0", "the upper bound forgotten", "alone: it is 1 there, and should be 0"),
    (
        "post",
        'd1 = (d2 @ p["W2"].T + d2) * (1 - a1 ** 2)',
        'd1 = d2 @ p["W2"].T * (1 - a1 ** 2)',
        "no skip where relu follows the sum",
        "da1 lacks the gradient of the way around layer 2, the skip connection",
    ),
    (
        "padded",
        "+ da2[:, :a1.shape[1]]",
        "",
        "no skip to a wider layer",
        "da1 lacks the gradient of the way around layer 2, the skip connection",
    ),
    (
        "relu6",
        "grad.sum(0)))",
        "grad.sum(0) * (i < 2)))",
        "a bias gradient left at 0",
        "db3: 0 everywhere",
    ),
    (
        "owndrop",
        '"W3": d2.T @ dout',
        '"W3": np.maximum(z2, 0).T @ dout',
        "the output before dropout in dW",
        "dW3: it takes relu of z2; what comes after it in the forward pass, such as a mask of dropout, is left out",
    ),
    (
        "owndrop",
        'dz2 = dout @ theta["W3"].T * m2 * (z2 > 0)',
        'dz2 = dout @ theta["W3"].T * (m2 > 0) * (z2 > 0)',
        "the keep probability forgotten",
        "dz2: dz is 0.6 times the right one: the forward pass divides by 0.6",
    ),
    (
        "softsign",
        'sum((net[f"W{k}"] ** 2).sum() for',
        'sum((net[f"W{k}"] ** 2).sum() + (net[f"b{k}"] ** 2).sum() for',
        "the biases' penalty in the loss alone",
        "b1: the penalty's part is 0, and should be 0.1 w",
    ),
]
