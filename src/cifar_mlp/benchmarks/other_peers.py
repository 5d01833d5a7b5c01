"""Other libraries, through their public interfaces, on features in float32."""

import os
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cifar_mlp.benchmarks.laps import Laps
from cifar_mlp.benchmarks.peers import forget_lightning
from cifar_mlp.benchmarks.problem import Problem, Weights, weights_of


def scikit_learn(problem: Problem, laps: Laps) -> None:
    """``MLPClassifier``: one epoch a ``partial_fit``; ReLU instead of LeakyReLU, own start and order, biases decay
    not.
    """
    from sklearn.neural_network import MLPClassifier

    inputs, labels = (tensor.numpy() for tensor in problem.load())
    network = MLPClassifier(
        problem.hidden_sizes,
        batch_size=problem.batch_size,
        learning_rate_init=problem.lr,
        alpha=problem.weight_decay * problem.batch_size,  # it divides the penalty by the batch's size
        random_state=problem.seed,
    )
    for epoch in range(laps.count):
        laps.start()
        network.partial_fit(inputs, labels, classes=np.unique(labels))
        laps.end()
        if epoch == 0:
            laps.see("epoch", _transposed(zip(network.coefs_, network.intercepts_, strict=True)), slope=0)


def skorch(problem: Problem, laps: Laps) -> None:
    """``NeuralNetClassifier``: one epoch a ``partial_fit``; own order."""
    from skorch import NeuralNetClassifier

    forget_lightning()
    inputs, labels = problem.load()
    network = NeuralNetClassifier(
        problem.network(),
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        optimizer__weight_decay=problem.weight_decay,
        lr=problem.lr,
        batch_size=problem.batch_size,
        max_epochs=1,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
        device=problem.device,
    )
    network.initialize()
    for epoch in range(laps.count):
        laps.start()
        network.partial_fit(inputs, labels)
        laps.end()
        if epoch == 0:
            laps.see("epoch", weights_of(network.module_))


def keras(problem: Problem, laps: Laps) -> None:
    """``Model.fit`` on whichever backend is installed; own order, the first epoch's time holds the compilation."""
    keep_to_cores(problem.threads)
    os.environ.setdefault("KERAS_BACKEND", _keras_backend())
    import keras

    inputs, labels = (tensor.numpy() for tensor in problem.load())
    decay = keras.regularizers.L2(problem.weight_decay / 2)  # its gradient is the decay times the weight
    layers: list[Any] = [keras.Input((inputs.shape[1],))]
    for _, outputs in problem.layers:
        layers.append(keras.layers.Dense(outputs, kernel_regularizer=decay, bias_regularizer=decay))
        layers.append(keras.layers.LeakyReLU(0.01))
    network = keras.Sequential(layers[:-1])
    network.set_weights([array for layer in problem.starting_weights() for array in (layer.weight.T, layer.bias)])
    network.compile(
        keras.optimizers.Adam(problem.lr, epsilon=1e-8), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    for epoch in range(laps.count):
        laps.start()
        network.fit(inputs, labels, batch_size=problem.batch_size, epochs=1, verbose=0)
        laps.end()
        if epoch == 0:
            arrays = network.get_weights()
            laps.see("epoch", _transposed(zip(arrays[::2], arrays[1::2], strict=True)))


def jax(problem: Problem, laps: Laps) -> None:
    """A compiled epoch: ``lax.scan`` over the batches, Adam written out."""
    keep_to_cores(problem.threads)
    import jax
    import jax.numpy as jnp

    inputs, labels = (jnp.asarray(tensor.cpu().numpy()) for tensor in problem.load())
    beta1, beta2, epsilon = 0.9, 0.999, 1e-8

    def loss_of(parameters: Any, places: Any) -> Any:
        x = inputs[places]
        for weight, bias in parameters[:-1]:
            x = jax.nn.leaky_relu(x @ weight + bias, 0.01)
        scores = jax.nn.log_softmax(x @ parameters[-1][0] + parameters[-1][1])
        return -jnp.take_along_axis(scores, labels[places][:, None], 1).mean()

    def step(state: Any, places: Any) -> Any:
        parameters, first, second, count = state
        count = count + 1
        gradients = jax.grad(loss_of)(parameters, places)
        gradients = jax.tree.map(lambda g, p: g + problem.weight_decay * p, gradients, parameters)
        first = jax.tree.map(lambda m, g: beta1 * m + (1 - beta1) * g, first, gradients)
        second = jax.tree.map(lambda v, g: beta2 * v + (1 - beta2) * g * g, second, gradients)

        def moved(p: Any, m: Any, v: Any) -> Any:
            return p - problem.lr * (m / (1 - beta1**count)) / (jnp.sqrt(v / (1 - beta2**count)) + epsilon)

        return (jax.tree.map(moved, parameters, first, second), first, second, count), None

    run = jax.jit(lambda state, batches: jax.lax.scan(step, state, batches)[0], donate_argnums=0)
    parameters = [(jnp.asarray(w.T.numpy()), jnp.asarray(b.numpy())) for w, b in problem.starting_weights()]
    zeros = jax.tree.map(jnp.zeros_like, parameters)
    state = (parameters, zeros, jax.tree.map(jnp.copy, zeros), jnp.zeros(()))
    for epoch in range(laps.count):
        laps.start()
        order = problem.order(epoch).numpy()
        pieces = [order] if epoch else np.split(order, [problem.check_steps * problem.batch_size])
        for piece, moment in zip(pieces, ("steps", "epoch"), strict=False):
            whole = len(piece) // problem.batch_size * problem.batch_size
            state = run(state, piece[:whole].reshape(-1, problem.batch_size))
            if whole < len(piece):
                state = run(state, piece[None, whole:])
            jax.block_until_ready(state)
            if epoch == 0:
                laps.see(moment, _transposed(state[0]))
        laps.end()


def keep_to_cores(count: int) -> None:
    """Leave this process so many cores: compilers that start a thread for each can be told in no other way."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])


def _keras_backend() -> str:
    from importlib.util import find_spec

    return next(name for name in ("jax", "tensorflow", "torch") if find_spec(name))


def _transposed(layers: Any) -> list[Weights]:
    """Layers of another library, whose weights are ``(in, out)``."""

    def tensor(array: Any) -> Tensor:
        return torch.from_numpy(np.array(array, dtype=np.float32))

    return [Weights(tensor(weight).T.contiguous(), tensor(bias)) for weight, bias in layers]
