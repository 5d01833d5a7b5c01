"""The gradients of a softmax network, judged by two references: ours, and differences of the function's own loss."""

import math
from dataclasses import replace
from typing import Any

from torch import Tensor

from cifar_mlp.parity.check import told
from cifar_mlp.parity.check.calling import Answer, SubmissionError
from cifar_mlp.parity.check.drawing import Drawn
from cifar_mlp.parity.check.explain import Sought, explain
from cifar_mlp.parity.check.guesses import Convention, Guess, architectures_for, identify
from cifar_mlp.parity.check.intermediates import first_wrong
from cifar_mlp.parity.check.observed import calls_that_differ, relation, what_is_not_finite
from cifar_mlp.parity.check.probes import KINK, OVERFLOW, at_a_kink, overflows
from cifar_mlp.parity.check.quotients import Quotient, quotients
from cifar_mlp.parity.check.subject import Subject
from cifar_mlp.parity.check.tape import Tape
from cifar_mlp.parity.check.told import Report, TensorReport
from cifar_mlp.parity.evidence.rows import normwise_error

EXACT = {False: 1e-6, True: 1e-3}  # normwise; a student's small constant in a logarithm or a root must pass
MATCH = {False: 1e-9, True: 2e-5}  # what a mistake must reproduce
SAME_LOSS = {False: 1e-7, True: 2e-5}
HARMLESS = 1e-6
FEW = 8  # differentiated entries of a tensor
ROUNDING = "rounding alone"
SINGLE = "it answers in float32: judged by float32's rounding; differences of its loss are coarse"
KEPT = "right for the first numbers, wrong for the next: something stays from an earlier call, a stale value"
NOT_FINITE = "an exponential without the shift by the maximum, or the logarithm of 0"


class NetworkCheck:
    """One check; ``report()`` runs it."""

    def __init__(self, subject: Subject, declared: Convention, activation: str | None, normalization: str | None,
                 dropout: float, own: Drawn | None = None, seed: int = 0) -> None:  # fmt: skip
        self.subject, self.declared, self.seed, self.own_numbers = subject, declared, seed, own
        self.options, self.dropout = (activation, normalization, dropout), dropout

    def _draw(self, seed: int) -> Drawn:
        if self.own_numbers is not None:
            return self.own_numbers
        kinds = architectures_for(self.subject.layout.draw(0), *self.options)[:1]

        def inputs_of_activations(drawn: Drawn) -> list[Tensor]:
            return Tape(drawn, replace(kinds[0], dropout=self.dropout if drawn.kept else 0.0)).u

        return self.subject.layout.draw(seed, inputs_of_activations, self.dropout)

    def report(self) -> Report:
        """The verdict and the causes."""
        drawn, other = self._draw(self.seed + 1), self._draw(self.seed + 2)
        try:
            answer = self.subject(drawn)
            again, elsewhere, last = self.subject(drawn), self.subject(other), self.subject(drawn)
        except SubmissionError as error:
            return Report(told.WRONG, causes=[str(error)])
        state = calls_that_differ(answer, again, last)
        if self.subject.wrote:
            state = [f"the argument {self.subject.wrote} was written into: a caller's array must not change"]
        single = answer.single
        guess = self._identify(drawn, answer, single) or self._identify(other, elsewhere, single)
        declared = Guess(architectures_for(drawn, *self.options)[0], self.declared, [])
        if guess is not None and not guess.words:
            declared = replace(guess, loss_only=None)
        elif guess is not None:
            declared = replace(declared, architecture=replace(guess.architecture, swaps={}, dropout=self.dropout))
        else:
            declared = self._nearest(drawn, answer, declared)
        misshapen = self.subject.misshapen(answer)
        if misshapen and not all(map(self.subject.right_size, (answer, elsewhere))):
            tensors = [TensorReport(name, tuple(g.shape), True, None, None) for name, g in answer.gradients.items()]
            found = Report(told.WRONG, tensors, state)
            found.misshapen(misshapen)
            return found
        if misshapen:
            answer, elsewhere = self.subject.in_shape(answer), self.subject.in_shape(elsewhere)
        if bad := what_is_not_finite(answer):
            return Report(told.WRONG, causes=[f"{bad} is not finite", NOT_FINITE])
        found = self._judge(drawn, answer, other, elsewhere, declared, guess, single)
        if misshapen:
            found.misshapen(misshapen)
        if state and found.verdict != told.WRONG:
            found = replace(found, verdict=told.WRONG, causes=state)
        elif state:
            found.causes = [*state, *(cause for cause in found.causes if cause not in (ROUNDING, KEPT))]
        if found.verdict in (told.RIGHT, told.OTHER) and self.own_numbers is None:
            if not self.declared.biases and overflows(self.subject, drawn, single):
                found.verdict, found.causes = told.LOSS, [OVERFLOW]
            relu = declared.architecture.activation.startswith("relu") and len(drawn.parameters) > 1
            if relu and found.verdict == told.RIGHT and (kink := at_a_kink(self.subject, drawn)) is not None:
                found.notes += [KINK] if max(self._errors(*kink, declared)[0]) > EXACT[single] else []
        if single:
            found.notes.append(SINGLE)
        return found

    def _identify(self, drawn: Drawn, answer: Answer, single: bool) -> Guess | None:
        kinds, regularization = architectures_for(drawn, *self.options), self.subject.regularization
        return identify(drawn, kinds, self.declared, answer.loss, regularization, SAME_LOSS[single])

    def _nearest(self, drawn: Drawn, answer: Answer, declared: Guess) -> Guess:
        """The open choices under which most tensors are right, where the loss says nothing."""

        def wrong(kind: Any) -> float:
            guess = replace(declared, architecture=kind)
            return sum(min(e, 1.0) for e in self._errors(drawn, answer, guess)[0])

        kinds = architectures_for(drawn, *self.options)
        return replace(declared, architecture=min(kinds, key=wrong)) if len(kinds) > 1 else declared

    def _flat(self, layered: list[dict[str, Tensor]]) -> list[Tensor]:
        values: list[Any] = [None] * len(self.subject.layout.names)
        for layer, parts in zip(self.subject.layout.layers, layered, strict=True):
            for part, index in layer.items():
                values[index] = parts[part]
        return values

    def _both(self, drawn: Drawn, answer: Answer, guess: Guess) -> tuple[float, list[Tensor], list[Tensor]]:
        """The right loss, the right gradients and the answered ones, in the user's order."""
        loss, layered = guess.reference(drawn, self.subject.regularization)
        return loss, self._flat(layered), self._flat(self.subject.by_layer(answer))

    def _errors(self, drawn: Drawn, answer: Answer, guess: Guess) -> tuple[list[float], float]:
        loss, expected, mine = self._both(drawn, answer, guess)
        floor = 1e-6 * max(float(e.norm()) for e in expected) + 1e-14
        errors = []
        for g, e in zip(mine, expected, strict=True):
            error = normwise_error(g, e, max(float(e.norm()), floor)) if g.shape == e.shape else math.inf
            errors.append(error if error == error else math.inf)
        return errors, abs(answer.loss - loss) / max(abs(loss), 1e-3)

    def _judge(self, drawn: Drawn, answer: Answer, other: Drawn, elsewhere: Answer, declared: Guess,
               guess: Guess | None, single: bool) -> Report:  # fmt: skip
        tolerance = EXACT[single]
        errors, loss_error = self._errors(drawn, answer, declared)
        right_here = max(errors) <= tolerance
        errors_there, loss_error_there = self._errors(other, elsewhere, declared)
        errors = [max(pair) for pair in zip(errors, errors_there, strict=True)]
        loss_error = max(loss_error, loss_error_there)
        ours_right = max(errors) <= tolerance
        same_loss = loss_error <= max(HARMLESS, SAME_LOSS[single])
        own = self._own(drawn, answer, FEW if same_loss else None)
        own_errors, own_verdicts = [q.error for q in own], [q.verdict for q in own]
        differ = "wrong" in own_verdicts
        unsure = "inconclusive" in own_verdicts and not differ
        rights = [e <= tolerance for e in errors]
        if ours_right:
            verdict = told.RIGHT if same_loss else told.LOSS
            if not same_loss and unsure:
                verdict = told.UNSURE
        elif same_loss:
            verdict = told.WRONG
        else:
            verdict = told.WRONG if differ else told.UNSURE if unsure else told.OTHER
            rights = [v == "right" for v in own_verdicts]
        reference = declared if same_loss or guess is None else guess
        tensors = self._tensors(answer, rights, errors, own_errors, drawn, reference)
        report = Report(verdict, tensors)
        if verdict == told.WRONG:
            report.causes = self._causes(drawn, answer, declared, guess, single, report)
            if right_here and report.causes == [ROUNDING]:
                report.causes = [KEPT]
        elif verdict == told.LOSS:
            report.causes = self._loss_words(answer, drawn, guess, declared)
        elif verdict == told.OTHER:
            report.causes = guess.words + (guess.loss_only or []) if guess else []
            report.causes = report.causes or [
                "its loss is none that is known here, but the gradients are its derivative"
            ]
        elif verdict == told.UNSURE:
            report.causes = [
                "the error of its loss's differences follows the step: a kink is near, or the loss is too rough"
            ]
        if guess is not None and guess.architecture.activation != "relu" and self.options[0] is None:
            report.notes.append(f"activation found from the loss: {guess.architecture.activation}")
        return report

    def _own(self, drawn: Drawn, answer: Answer, most: int | None) -> list[Quotient]:
        """Differences of the function's own loss; a few suffice where the loss is ours."""
        gradients = [answer.gradients[name] for name in self.subject.layout.names]
        point = self.subject.layout.flat(drawn)
        return quotients(lambda values: self._loss(drawn, values), point, gradients, answer.single, most)

    def _loss(self, drawn: Drawn, values: list[Tensor]) -> float:
        try:
            return self.subject(drawn, values).loss
        except SubmissionError:
            return math.nan

    def _tensors(
        self, answer: Answer, rights: list[bool], errors: list[float], own: list[float], drawn: Drawn, guess: Guess
    ) -> list[TensorReport]:
        _, expected, mine = self._both(drawn, answer, guess)
        made = []
        for i, name in enumerate(self.subject.layout.names):
            words = "" if rights[i] else relation(mine[i], expected[i], drawn)
            made.append(TensorReport(name, self.subject.layout.shapes[i], rights[i], errors[i], own[i], words))
        return made

    def _causes(self, drawn: Drawn, answer: Answer, declared: Guess, guess: Guess | None, single: bool,
                report: Report) -> list[str]:  # fmt: skip
        """The shortest exact story among the functions that the loss may be of."""
        best: list[str] | None = None
        partial: list[str] = []
        stuck: int | None = None
        plain = guess is not None and not guess.words and not guess.loss_only  # then both are the same function
        for one in [g for g in (guess, None if plain else declared) if g is not None]:
            story, unexplained = explain(self._sought(drawn, answer, one, single))
            extra = (one.loss_only or []) + one.words if one is guess else []
            extra = extra + ([] if guess is None or one is guess else self._loss_words(answer, drawn, guess, declared))
            if unexplained is None and (best is None or len(story) + len(extra) < len(best)):
                best = [*story, *extra]
            elif unexplained is not None and not partial:
                partial, stuck = story, unexplained
        if best is not None:
            return best or [ROUNDING]
        where = [] if stuck is None else [self._where(stuck, answer, drawn, declared)]
        first = first_wrong(answer.extra, declared.tape(drawn), self.declared.reduction)
        return [*first, *partial, *where]

    def _sought(self, drawn: Drawn, answer: Answer, guess: Guess, single: bool) -> Sought:
        c = guess.convention
        weight = 2 * c.factor * self.subject.regularization
        gradients = self.subject.by_layer(answer)
        floor = 1e-4 * max(float(g.norm()) for parts in gradients for g in parts.values())
        return Sought(guess.tape(drawn), gradients, self.subject.part_names, c.reduction, weight,
                      weight if c.biases else 0.0, MATCH[single] * 10, floor)  # fmt: skip

    def _where(self, layer: int, answer: Answer, drawn: Drawn, declared: Guess) -> str:
        """The line to look at, where no known mistake gives these gradients."""
        depth = len(self.subject.layout.layers)
        names = ", ".join(self.subject.part_names[layer - 1].values())
        errors = dict(zip(self.subject.layout.names, self._errors(drawn, answer, declared)[0], strict=True))
        parts = self.subject.part_names[layer - 1]
        bad = [name for name in parts.values() if errors[name] > 1e-6]
        if len(bad) == 1 and len(parts) > 1:
            _, expected, mine = self._both(drawn, answer, declared)
            at = self.subject.layout.names.index(bad[0])
            words = relation(mine[at], expected[at], drawn)
            more = f"; {words}" if words else ""
            return f"look at the line of {bad[0]} alone: dz{layer}, which the others use, is right{more}"
        line = f"dz{layer}" if layer < depth else "dscores, the gradient in the scores"
        return f"look at the line of {line}: {names} come from it and are wrong, what is above is right"

    def _loss_words(self, answer: Answer, drawn: Drawn, guess: Guess | None, declared: Guess) -> list[str]:
        if guess is not None and (guess.words or guess.loss_only):
            return ["the loss's value is wrong: " + words for words in [*(guess.loss_only or []), *guess.words]]
        expected, _ = declared.reference(drawn, self.subject.regularization)
        return [f"the loss's value is {answer.loss:.6g}, the right one {expected:.6g}"]
