"""The same training with other libraries, through their public interfaces, on float32 features."""

import os
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cifar_mlp.benchmarks.epochs import EpochTimer
from cifar_mlp.benchmarks.problem import Problem, Weights, weights_of
from cifar_mlp.benchmarks.torch_baselines import forget_lightning


def scikit_learn(problem: Problem, timer: EpochTimer) -> None:
    """``MLPClassifier.partial_fit``: ReLU instead of LeakyReLU, its own start and order, no decay of biases."""
    from sklearn.neural_network import MLPClassifier

    inputs, labels = (tensor.numpy() for tensor in problem.load())
    network = MLPClassifier(
        problem.hidden_sizes,
        batch_size=problem.batch_size,
        learning_rate_init=problem.lr,
        alpha=problem.weight_decay * problem.batch_size,  # it divides the penalty by the batch size
        random_state=problem.seed,
    )
    classes = np.unique(labels)
    timer.run(
        lambda epoch: network.partial_fit(inputs, labels, classes=classes),
        lambda: _transposed(zip(network.coefs_, network.intercepts_, strict=True)),
        slope=0,
    )


def skorch(problem: Problem, timer: EpochTimer) -> None:
    """``NeuralNetClassifier.partial_fit``: its own order."""
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
    timer.run(lambda epoch: network.partial_fit(inputs, labels), lambda: weights_of(network.module_))


def keras(problem: Problem, timer: EpochTimer) -> None:
    """``Model.fit`` on the first backend that is installed: its own order; the first epoch includes compilation."""
    keep_to_cores(problem.threads)
    backend = next(name for name in ("jax", "tensorflow", "torch") if find_spec(name))
    os.environ.setdefault("KERAS_BACKEND", backend)
    import keras

    inputs, labels = (tensor.numpy() for tensor in problem.load())
    decay = keras.regularizers.L2(problem.weight_decay / 2)  # its gradient is the decay times the weight
    layers: list[Any] = [keras.Input((inputs.shape[1],))]
    for _, outputs in problem.layers:
        layers.append(keras.layers.Dense(outputs, kernel_regularizer=decay, bias_regularizer=decay))
        layers.append(keras.layers.LeakyReLU(0.01))
    network = keras.Sequential(layers[:-1])
    network.set_weights([array for layer in weights_of(problem.network()) for array in (layer.weight.T, layer.bias)])
    network.compile(
        keras.optimizers.Adam(problem.lr, epsilon=1e-8), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )

    def weights() -> list[Weights]:
        arrays = network.get_weights()
        return _transposed(zip(arrays[::2], arrays[1::2], strict=True))

    timer.run(lambda epoch: network.fit(inputs, labels, batch_size=problem.batch_size, epochs=1, verbose=0), weights)


def jax(problem: Problem, timer: EpochTimer) -> None:
    """A compiled epoch: ``lax.scan`` over the batches, Adam written out; bfloat16 is that of the matmuls alone."""
    keep_to_cores(problem.threads)
    import jax
    import jax.numpy as jnp

    inputs, labels = (jnp.asarray(tensor.cpu().numpy()) for tensor in problem.load())
    beta1, beta2, epsilon = 0.9, 0.999, 1e-8
    dtype = jnp.bfloat16 if problem.half else jnp.float32

    def loss_of(parameters: Any, batch: Any) -> Any:
        x = inputs[batch].astype(dtype)
        parameters = jax.tree.map(lambda p: p.astype(dtype), parameters)
        for weight, bias in parameters[:-1]:
            x = jax.nn.leaky_relu(x @ weight + bias, 0.01)
        scores = jax.nn.log_softmax((x @ parameters[-1][0] + parameters[-1][1]).astype(jnp.float32))
        return -jnp.take_along_axis(scores, labels[batch][:, None], 1).mean()

    def step(state: Any, batch: Any) -> Any:
        parameters, first, second, count = state
        count = count + 1
        gradients = jax.grad(loss_of)(parameters, batch)
        gradients = jax.tree.map(lambda g, p: g + problem.weight_decay * p, gradients, parameters)
        first = jax.tree.map(lambda m, g: beta1 * m + (1 - beta1) * g, first, gradients)
        second = jax.tree.map(lambda v, g: beta2 * v + (1 - beta2) * g * g, second, gradients)

        def moved(p: Any, m: Any, v: Any) -> Any:
            return p - problem.lr * (m / (1 - beta1**count)) / (jnp.sqrt(v / (1 - beta2**count)) + epsilon)

        return (jax.tree.map(moved, parameters, first, second), first, second, count), None

    run = jax.jit(lambda state, batches: jax.lax.scan(step, state, batches)[0], donate_argnums=0)
    parameters = [(jnp.asarray(w.T.numpy()), jnp.asarray(b.numpy())) for w, b in weights_of(problem.network())]
    zeros = jax.tree.map(jnp.zeros_like, parameters)
    state = (parameters, zeros, jax.tree.map(jnp.copy, zeros), jnp.zeros(()))

    def train(indices: Tensor) -> None:
        nonlocal state
        order = indices.numpy()
        whole = len(order) // problem.batch_size * problem.batch_size
        state = run(state, order[:whole].reshape(-1, problem.batch_size))
        if whole < len(order):
            state = run(state, order[None, whole:])
        jax.block_until_ready(state)

    timer.run_in_order(train, lambda: _transposed(state[0]))


def keep_to_cores(count: int) -> None:
    """Bind this process to ``count`` cores: compilers that start a thread per core take no other setting."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])


def _transposed(layers: Any) -> list[Weights]:
    """Layers of a library whose weights are ``(in, out)``."""
    arrays = [[np.array(array, dtype=np.float32).T.copy() for array in layer] for layer in layers]
    return [Weights(*map(torch.from_numpy, layer)) for layer in arrays]
