"""An independent witness: the same network in NumPy float64, written from the formulas alone.

It shares no code with the tensor version and computes things differently where it can: samples are columns, the loss
is a log-sum-exp, and the softmax is its exponential.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class NumpyTrace(NamedTuple):
    """Every array of one forward and backward pass, named and shaped as in the tensor version's ``Trace``."""

    z2: Array  # (N, H)
    a2: Array  # (N, H)
    scores: Array  # (N, C)
    probabilities: Array  # (N, C)
    loss: Array  # ()
    dz3: Array  # (N, C)
    da2: Array  # (N, H)
    dz2: Array  # (N, H)
    w1: Array  # (D, H), gradient
    b1: Array  # (H,), gradient
    w2: Array  # (H, C), gradient
    b2: Array  # (C,), gradient


def intermediates(
    w1: Array,
    b1: Array,
    w2: Array,
    b2: Array,
    inputs: Array,
    labels: NDArray[np.int64],
    regularization: float,
) -> NumpyTrace:
    """Values and gradients of mean cross-entropy + regularization * (sum w1^2 + sum w2^2).

    Args:
        w1: Weights ``(D, H)``.
        b1: Biases ``(H,)``.
        w2: Weights ``(H, C)``.
        b2: Biases ``(C,)``.
        inputs: ``(N, D)``.
        labels: ``(N,)``, classes in [0, C).
        regularization: Factor of the squared weights; biases are not penalised.
    """
    count = float(inputs.shape[0])
    hidden = np.dot(w1.T, inputs.T) + b1[:, np.newaxis]  # (H, N): from here on, samples are columns
    active = np.where(hidden > 0.0, hidden, 0.0)
    logits = np.dot(w2.T, active) + b2[:, np.newaxis]

    log_normalizer = np.logaddexp.reduce(logits, axis=0)
    target = np.equal.outer(np.arange(logits.shape[0]), labels)
    data_loss = np.sum(log_normalizer - logits[labels, np.arange(labels.size)]) / count
    loss = data_loss + regularization * (np.einsum("dh,dh->", w1, w1) + np.einsum("hc,hc->", w2, w2))

    posterior = np.exp(logits - log_normalizer)
    posterior /= posterior.sum(axis=0)  # with logits of 1e4 the normalizer alone is accurate only to 1e-12
    d_logits = np.where(target, posterior - 1.0, posterior) / count
    d_active = np.dot(w2, d_logits)
    d_hidden = np.where(hidden > 0.0, d_active, 0.0)
    return NumpyTrace(
        z2=hidden.T,
        a2=active.T,
        scores=logits.T,
        probabilities=posterior.T,
        loss=np.asarray(loss),
        dz3=d_logits.T,
        da2=d_active.T,
        dz2=d_hidden.T,
        w1=np.dot(d_hidden, inputs).T + (regularization + regularization) * w1,
        b1=np.einsum("hn->h", d_hidden),
        w2=np.dot(d_logits, active.T).T + (regularization + regularization) * w2,
        b2=np.einsum("cn->c", d_logits),
    )
