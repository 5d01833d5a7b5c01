"""Why an answer is wrong, in words: one mistake of all gradients, a story layer by layer, or where to look."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from cifar_mlp.parity.check.calling import Answer
from cifar_mlp.parity.check.explain import example_weights, explain, first_wrong_intermediate
from cifar_mlp.parity.check.layout import Drawn
from cifar_mlp.parity.check.loss_variants import Guess
from cifar_mlp.parity.check.one_tensor import Sought
from cifar_mlp.parity.check.relations import misplaced, one_factor
from cifar_mlp.parity.check.user_function import UserFunction
from cifar_mlp.parity.evidence.rows import normwise_error

MATCH = {False: 1e-8, True: 2e-4}  # what a mistake must reproduce
ROUNDING = "rounding alone"
OF_THE_LOSS = "an exponential without the shift by the maximum, or the logarithm of 0"
OF_THE_GRADIENT = "the loss is finite, so it is a division by 0 (0 / 0?) or the logarithm of 0"


@dataclass
class Answered:
    """One problem and the answer to it."""

    function: UserFunction
    drawn: Drawn
    answer: Answer

    def both(self, guess: Guess) -> tuple[float, list[Tensor], list[Tensor]]:
        """The right loss, the right gradients and the answered ones, in the user's order."""
        layout, (loss, layered) = self.function.layout, guess.reference(self.drawn, self.function.regularization)
        return loss, layout.in_order(layered), layout.in_order(self.function.by_layer(self.answer))

    def errors(self, guess: Guess) -> tuple[list[float], float]:
        """Of every gradient, normwise, and of the loss."""
        loss, expected, mine = self.both(guess)
        floor = 1e-6 * max(float(e.norm()) for e in expected) + 1e-14
        errors = []
        for g, e in zip(mine, expected, strict=True):
            error = normwise_error(g, e, max(float(e.norm()), floor)) if g.shape == e.shape else math.inf
            errors.append(error if error == error else math.inf)
        return errors, abs(self.answer.loss - loss) / max(abs(loss), 1e-3)

    def of_gradients(
        self, declared: Guess, guess: Guess | None, rights: list[bool], words: list[str]
    ) -> tuple[list[str], bool]:
        """The shortest exact story among the functions that the loss may be of; else where to look, and ``False``."""
        best: list[str] | None = None
        part: list[str] = []
        stuck: int | None = None
        plain = guess is not None and not guess.words and not guess.loss_only  # then both are the same function
        for one in [g for g in (guess, None if plain else declared) if g is not None]:
            story, unexplained = self._story(one)
            extra = (one.loss_only or []) + one.words if one is guess else []
            extra = extra + ([] if guess is None or one is guess else self.of_loss(declared, guess))
            if unexplained is None and (best is None or len(story) + len(extra) < len(best)):
                best = [*story, *extra]
            elif unexplained is not None and not part:
                part, stuck = story, unexplained
        if best is not None:
            return best or [ROUNDING], True
        where = [] if stuck is None else [self.where(rights, words, stuck)]
        first = first_wrong_intermediate(self.answer.extra, self._sought(declared))
        return [*first, *part, *where], False

    def _story(self, guess: Guess) -> tuple[list[str], int | None]:
        """Of one mistake in all gradients, else of the fewest, and the layer that none explains."""
        (_, expected, mine), match = self.both(guess), MATCH[self.answer.single]
        if said := one_factor(mine, expected, self.drawn, match):
            return [said], None
        if exchanged := misplaced(self.function.layout.names, mine, expected, match):
            return exchanged, None
        sought = self._sought(guess)
        story, unexplained = explain(sought)
        if unexplained is not None and (counted := example_weights(sought)):
            return [counted], None
        return story, unexplained

    def _sought(self, guess: Guess) -> Sought:
        c = guess.convention
        weight = 2 * c.factor * self.function.regularization
        gradients = self.function.by_layer(self.answer)
        floor = 1e-4 * max(float(g.norm()) for parts in gradients for g in parts.values())
        penalty = {"weight": weight, "bias": weight if c.biases else 0.0}
        return Sought(guess.forward_pass(self.drawn), gradients, self.function.part_names, c.reduction, penalty,
                      MATCH[self.answer.single], floor, self.function.layout.transposed)  # fmt: skip

    def not_finite(self) -> str:
        """Where that may come from."""
        if not math.isfinite(self.answer.loss):
            return OF_THE_LOSS
        names = self.function.layout.names
        finite = [bool(torch.isfinite(self.answer.gradients[name]).all()) for name in names]
        return f"{OF_THE_GRADIENT}; {self.where(finite, [''] * len(names))}"

    def where(self, rights: list[bool], words: list[str], layer: int = 0) -> str:
        """The line to look at in a layer, by default the highest with a wrong gradient."""
        each, names = self.function.part_names, self.function.layout.names
        said = {name: word for name, right, word in zip(names, rights, words, strict=True) if not right}
        layer = layer or max(i for i, parts in enumerate(each, 1) if said.keys() & set(parts.values()))
        parts = list(each[layer - 1].values())
        bad = [name for name in parts if name in said]
        more = "".join(f"; {name}: {said[name]}" for name in bad if said[name])
        if len(bad) == 1 and len(parts) > 1:
            return f"look at the line of {bad[0]} alone: dz{layer}, which the others use, is right{more}"
        is_last = layer == len(each)
        line = "dscores, the gradient in the scores" if is_last else f"dz{layer}"
        above = "" if is_last else ", what is above is right"
        return f"look at the line of {line}: {', '.join(parts)} come from it and are wrong{above}{more}"

    def of_loss(self, declared: Guess, guess: Guess | None) -> list[str]:
        """What is wrong with the loss's value."""
        if guess is not None and (guess.words or guess.loss_only):
            said = ", ".join([*(guess.loss_only or []), *guess.words])
            return [f"the loss's value is wrong: {said}; if you mean it so, change the gradients instead"]
        expected, _ = declared.reference(self.drawn, self.function.regularization)
        return [f"the loss's value is {self.answer.loss:.6g}, the right one {expected:.6g}"]
