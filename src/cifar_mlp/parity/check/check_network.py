"""The gradients of a softmax network, judged by two references: ours, and differences of the function's own loss."""

import math
from dataclasses import dataclass, replace

from torch import Tensor

from cifar_mlp.parity.check import probes
from cifar_mlp.parity.check import report as verdicts
from cifar_mlp.parity.check.calling import Answer, SubmissionError
from cifar_mlp.parity.check.central_differences import Quotient, quotients
from cifar_mlp.parity.check.explain import explain, first_wrong_intermediate
from cifar_mlp.parity.check.forward_pass import Architecture, ForwardPass
from cifar_mlp.parity.check.layout import Drawn
from cifar_mlp.parity.check.loss_variants import Convention, Guess, architectures_for, identify
from cifar_mlp.parity.check.one_tensor import Sought
from cifar_mlp.parity.check.relations import relation
from cifar_mlp.parity.check.report import Report, TensorReport
from cifar_mlp.parity.check.user_function import UserFunction
from cifar_mlp.parity.evidence.rows import normwise_error

EXACT = {False: 1e-6, True: 1e-3}  # normwise; a student's small constant in a logarithm or a root must pass
MATCH = {False: 1e-8, True: 2e-4}  # what a mistake must reproduce
SAME_LOSS = {False: 1e-7, True: 2e-5}
HARMLESS = 1e-6
FEW = 8  # differentiated entries of a tensor
ROUNDING = "rounding alone"
SINGLE = "it answers in float32: judged by float32's rounding; differences of its loss are coarse"
KEPT = "right for the first numbers, wrong for the next: something stays from an earlier call, a stale value"
NOT_FINITE = "an exponential without the shift by the maximum, or the logarithm of 0"
ROUGH = "the error of its loss's differences follows the step: a kink is near, or the loss is too rough"
UNKNOWN = "its loss is none that is known here"


@dataclass
class Question:
    """What the user says of the function, and of how it is checked; ``None`` is found out from the loss."""

    convention: Convention
    activation: str | None = None
    normalization: str | None = None
    dropout: float = 0.0
    seed: int = 0
    own: Drawn | None = None  # numbers that cannot be replaced by drawn ones

    def architectures(self, drawn: Drawn) -> list[Architecture]:
        """What fits, in order of likelihood."""
        return architectures_for(drawn, self.activation, self.normalization, self.dropout)


class NetworkCheck:
    """One check; ``report()`` runs it."""

    def __init__(self, function: UserFunction, question: Question) -> None:
        self.function, self.question, self.declared = function, question, question.convention
        self.names, self.regularization = function.layout.names, function.regularization

    def report(self) -> Report:
        """The verdict and the causes."""
        drawn, other = self._draw(1), self._draw(2)
        try:
            answer, again, elsewhere, last = (self.function(one) for one in (drawn, drawn, other, drawn))
        except SubmissionError as error:
            return Report(verdicts.WRONG, causes=[str(error)])
        state = probes.calls_that_differ(answer, again, last)
        if self.function.wrote:
            state = [f"the argument {self.function.wrote} was written into: a caller's array must not change"]
        self.single = answer.single
        guess = self._identify(drawn, answer) or self._identify(other, elsewhere)
        misshapen = self.function.misshapen(answer)
        if misshapen and not all(map(self.function.right_size, (answer, elsewhere))):
            tensors = [TensorReport(name, tuple(g.shape), True, None, None) for name, g in answer.gradients.items()]
            found = Report(verdicts.WRONG, tensors, state)
            found.misshapen(misshapen)
            return found
        declared = self._declared(drawn, answer, guess)
        if misshapen:
            answer, elsewhere = self.function.in_shape(answer), self.function.in_shape(elsewhere)
        if bad := probes.what_is_not_finite(answer):
            return Report(verdicts.WRONG, causes=[f"{bad} is not finite", NOT_FINITE])
        found = self._judge([(drawn, answer), (other, elsewhere)], declared, guess)
        if misshapen:
            found.misshapen(misshapen)
        if state and found.verdict != verdicts.WRONG:
            found = replace(found, verdict=verdicts.WRONG, causes=state)
        elif state:
            found.causes = [*state, *(cause for cause in found.causes if cause not in (ROUNDING, KEPT))]
        if found.verdict in (verdicts.RIGHT, verdicts.OTHER) and self.question.own is None:
            self._probe(drawn, declared, found)
        found.notes += [SINGLE] if self.single else []
        return found

    def _draw(self, seed: int) -> Drawn:
        if self.question.own is not None:
            return self.question.own
        layout, dropout = self.function.layout, self.question.dropout
        likeliest = self.question.architectures(layout.draw(0))[0]

        def inputs_of_activations(drawn: Drawn) -> list[Tensor]:
            return ForwardPass(drawn, replace(likeliest, dropout=dropout if drawn.kept else 0.0)).u

        return layout.draw(self.question.seed + seed, inputs_of_activations, dropout)

    def _identify(self, drawn: Drawn, answer: Answer) -> Guess | None:
        kinds, tolerance = self.question.architectures(drawn), SAME_LOSS[self.single]
        return identify(drawn, kinds, self.declared, answer.loss, self.regularization, tolerance)

    def _declared(self, drawn: Drawn, answer: Answer, guess: Guess | None) -> Guess:
        """The function that the user says it is; what is left open is taken from the loss, else from the gradients."""
        kinds = self.question.architectures(drawn)
        declared = Guess(kinds[0], self.declared, [])
        if guess is not None and not guess.words:
            return replace(guess, loss_only=None)
        if guess is not None:
            kind = replace(guess.architecture, wrong={}, without=None, smoothing=0.0, dropout=self.question.dropout)
            return replace(declared, architecture=kind)

        def wrong(kind: Architecture) -> float:
            return sum(min(e, 1.0) for e in self._errors(drawn, answer, replace(declared, architecture=kind))[0])

        return replace(declared, architecture=min(kinds, key=wrong) if len(kinds) > 1 else kinds[0])

    def _probe(self, drawn: Drawn, declared: Guess, found: Report) -> None:
        if not self.declared.biases and probes.overflows(self.function, drawn, self.single):
            found.verdict, found.causes = verdicts.LOSS, [probes.OVERFLOW]
        relu = declared.architecture.activation.startswith("relu") and len(drawn.parameters) > 1
        if relu and found.verdict == verdicts.RIGHT and (kink := probes.at_a_kink(self.function, drawn)) is not None:
            found.notes += [probes.KINK] if max(self._errors(*kink, declared)[0]) > EXACT[self.single] else []

    def _both(self, drawn: Drawn, answer: Answer, guess: Guess) -> tuple[float, list[Tensor], list[Tensor]]:
        """The right loss, the right gradients and the answered ones, in the user's order."""
        layout, (loss, layered) = self.function.layout, guess.reference(drawn, self.regularization)
        return loss, layout.in_order(layered), layout.in_order(self.function.by_layer(answer))

    def _errors(self, drawn: Drawn, answer: Answer, guess: Guess) -> tuple[list[float], float]:
        """Of every gradient, normwise, and of the loss."""
        loss, expected, mine = self._both(drawn, answer, guess)
        floor = 1e-6 * max(float(e.norm()) for e in expected) + 1e-14
        errors = []
        for g, e in zip(mine, expected, strict=True):
            error = normwise_error(g, e, max(float(e.norm()), floor)) if g.shape == e.shape else math.inf
            errors.append(error if error == error else math.inf)
        return errors, abs(answer.loss - loss) / max(abs(loss), 1e-3)

    def _judge(self, pairs: list[tuple[Drawn, Answer]], declared: Guess, guess: Guess | None) -> Report:
        tolerance, (drawn, answer) = EXACT[self.single], pairs[0]
        each = [self._errors(*pair, declared) for pair in pairs]
        errors = [max(pair) for pair in zip(*(errors for errors, _ in each), strict=True)]
        rights = [error <= tolerance for error in errors]
        same_loss = max(error for _, error in each) <= max(HARMLESS, SAME_LOSS[self.single])
        own = self._differences(drawn, answer, FEW if same_loss else None)
        differ = any(quotient.verdict == "wrong" for quotient in own)
        unsure = not differ and any(quotient.verdict == "inconclusive" for quotient in own)
        if all(rights):
            verdict = verdicts.RIGHT if same_loss else verdicts.UNSURE if unsure else verdicts.LOSS
        elif same_loss:
            verdict = verdicts.WRONG
        else:
            verdict = verdicts.WRONG if differ else verdicts.UNSURE if unsure else verdicts.OTHER
            rights = [quotient.verdict == "right" for quotient in own]
        _, expected, mine = self._both(drawn, answer, declared if same_loss or guess is None else guess)
        trios = zip(rights, mine, expected, strict=True)
        words = ["" if right else relation(g, e, drawn) for right, g, e in trios]
        columns = (self.names, self.function.layout.shapes, rights, errors, [quotient.error for quotient in own], words)
        report = Report(verdict, [TensorReport(*row) for row in zip(*columns, strict=True)])
        if verdict == verdicts.WRONG and guess is None and not same_loss:
            report.causes = [f"{UNKNOWN}; by its own differences {self._part(rights)}"]
        elif verdict == verdicts.WRONG:
            report.causes = self._causes(drawn, answer, declared, guess, report.tensors)
            if max(each[0][0]) <= tolerance and report.causes == [ROUNDING]:
                report.causes = [KEPT]
        elif verdict == verdicts.LOSS:
            report.causes = self._loss_words(answer, drawn, guess, declared)
        elif verdict == verdicts.OTHER:
            known = guess.words + (guess.loss_only or []) if guess else []
            report.causes = known or [f"{UNKNOWN}, but the gradients are its derivative"]
        elif verdict == verdicts.UNSURE:
            report.causes = [ROUGH]
        if guess is not None and guess.architecture.activation != "relu" and self.question.activation is None:
            report.notes.append(f"activation found from the loss: {guess.architecture.activation}")
        return report

    def _differences(self, drawn: Drawn, answer: Answer, most: int | None) -> list[Quotient]:
        """Differences of the function's own loss; a few suffice where the loss is ours."""

        def loss(values: list[Tensor]) -> float:
            try:
                return self.function(drawn, values).loss
            except SubmissionError:
                return math.nan

        gradients = [answer.gradients[name] for name in self.names]
        return quotients(loss, self.function.layout.flat(drawn), gradients, answer.single, most)

    def _causes(self, drawn: Drawn, answer: Answer, declared: Guess, guess: Guess | None,
                tensors: list[TensorReport]) -> list[str]:  # fmt: skip
        """The shortest exact story among the functions that the loss may be of."""
        best: list[str] | None = None
        partial: list[str] = []
        stuck: int | None = None
        plain = guess is not None and not guess.words and not guess.loss_only  # then both are the same function
        for one in [g for g in (guess, None if plain else declared) if g is not None]:
            story, unexplained = explain(self._sought(drawn, answer, one))
            extra = (one.loss_only or []) + one.words if one is guess else []
            extra = extra + ([] if guess is None or one is guess else self._loss_words(answer, drawn, guess, declared))
            if unexplained is None and (best is None or len(story) + len(extra) < len(best)):
                best = [*story, *extra]
            elif unexplained is not None and not partial:
                partial, stuck = story, unexplained
        if best is not None:
            return best or [ROUNDING]
        where = [] if stuck is None else [self._where(stuck, tensors)]
        first = first_wrong_intermediate(answer.extra, declared.forward_pass(drawn), self.declared.reduction)
        return [*first, *partial, *where]

    def _part(self, rights: list[bool]) -> str:
        """Where wrong tensors begin, from the scores down."""
        wrong = {name for name, right in zip(self.names, rights, strict=True) if not right}
        layer = max(i for i, parts in enumerate(self.function.part_names, 1) if wrong & set(parts.values()))
        above = "" if layer == len(self.function.part_names) else ", those above are right"
        return f"{', '.join(sorted(wrong))} are wrong: look at the lines of dz{layer} and below{above}"

    def _sought(self, drawn: Drawn, answer: Answer, guess: Guess) -> Sought:
        c = guess.convention
        weight = 2 * c.factor * self.regularization
        gradients = self.function.by_layer(answer)
        floor = 1e-4 * max(float(g.norm()) for parts in gradients for g in parts.values())
        penalty = {"weight": weight, "bias": weight if c.biases else 0.0}
        return Sought(guess.forward_pass(drawn), gradients, self.function.part_names, c.reduction, penalty,
                      MATCH[self.single], floor)  # fmt: skip

    def _where(self, layer: int, tensors: list[TensorReport]) -> str:
        """The line to look at, where no known mistake gives these gradients."""
        parts, last = self.function.part_names[layer - 1].values(), len(self.function.part_names)
        bad = [tensor for tensor in tensors if tensor.name in parts and not tensor.right]
        if len(bad) == 1 and len(parts) > 1:
            more = f"; {bad[0].words}" if bad[0].words else ""
            return f"look at the line of {bad[0].name} alone: dz{layer}, which the others use, is right{more}"
        line = f"dz{layer}" if layer < last else "dscores, the gradient in the scores"
        return f"look at the line of {line}: {', '.join(parts)} come from it and are wrong, what is above is right"

    def _loss_words(self, answer: Answer, drawn: Drawn, guess: Guess | None, declared: Guess) -> list[str]:
        if guess is not None and (guess.words or guess.loss_only):
            return ["the loss's value is wrong: " + words for words in [*(guess.loss_only or []), *guess.words]]
        expected, _ = declared.reference(drawn, self.regularization)
        return [f"the loss's value is {answer.loss:.6g}, the right one {expected:.6g}"]
