"""The gradients of a softmax network, judged by two references: ours, and differences of the function's own loss."""

import contextlib
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from torch import Tensor

from cifar_mlp.parity.check import probes
from cifar_mlp.parity.check import report as verdicts
from cifar_mlp.parity.check.calling import REORDERED, Answer, SubmissionError
from cifar_mlp.parity.check.causes import ROUNDING, Answered
from cifar_mlp.parity.check.central_differences import Quotient, quotients
from cifar_mlp.parity.check.check_function import WRITTEN
from cifar_mlp.parity.check.forward_pass import Architecture, ForwardPass
from cifar_mlp.parity.check.layout import Drawn
from cifar_mlp.parity.check.loss_variants import Convention, Guess, architectures_for, identify
from cifar_mlp.parity.check.own_loss import by_own_differences
from cifar_mlp.parity.check.relations import factor_words, relation
from cifar_mlp.parity.check.report import Report, TensorReport
from cifar_mlp.parity.check.unit_by_unit import by_single_examples
from cifar_mlp.parity.check.user_function import UserFunction

EXACT = {False: 1e-6, True: 1e-3}  # normwise; a student's small constant in a logarithm or a root must pass
SAME_LOSS = {False: 1e-7, True: 2e-5}
HARMLESS = 1e-6
FEW = 8  # differentiated entries of a tensor
SINGLE = "it answers in float32 or coarser: judged by that rounding; differences of its loss are coarse"
KEPT = "right for the first numbers, wrong for the next: something stays from an earlier call, a stale value"
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

    def knows(self) -> bool:
        """Whether the loss is one that is known here."""
        drawn = self._draw(1)
        with contextlib.suppress(SubmissionError):
            answer = self.function(drawn)
            self.single = answer.single
            return self._identify(drawn, answer) is not None
        return False

    def report(self) -> Report:
        """The verdict and the causes."""
        drawn, other = self._draw(1), self._draw(2)
        try:
            answer, again, elsewhere, last = (self.function(one) for one in (drawn, drawn, other, drawn))
        except SubmissionError as error:
            return Report(verdicts.WRONG, causes=[str(error)])
        state = probes.calls_that_differ(answer, again, last)
        if self.function.wrote:
            state = [f"the argument {self.function.wrote} {WRITTEN}"]
        self.single = answer.single
        guess = self._identify_both((drawn, answer), (other, elsewhere))
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
            causes = [f"{bad} is not finite", Answered(self.function, drawn, answer).not_finite()]
            return Report(verdicts.WRONG, causes=causes)
        pairs = [Answered(self.function, drawn, answer), Answered(self.function, other, elsewhere)]
        found = self._judge(pairs, declared, guess)
        if misshapen:
            found.misshapen(misshapen)
        if state and found.verdict != verdicts.WRONG:
            found = replace(found, verdict=verdicts.WRONG, causes=state)
        elif state:
            found.causes = [*state, *(cause for cause in found.causes if cause not in (ROUNDING, KEPT))]
        if found.verdict in (verdicts.RIGHT, verdicts.OTHER) and self.question.own is None:
            self._probe(drawn, declared, found)
        found.notes += [SINGLE] * self.single + [REORDERED] * answer.reordered
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

    def _identify_both(self, *problems: tuple[Drawn, Answer]) -> Guess | None:
        """What gives the first loss, or else the second; anything that was not asked for must give both."""
        guesses = [self._identify(*problems[0])]
        if guesses[0] is None or guesses[0].words or guesses[0].loss_only:  # of so many, one may fit by chance
            guesses.append(self._identify(*problems[1]))
        found = [guess for guess in guesses if guess is not None]
        plain = [guess for guess in found if not guess.words and not guess.loss_only]
        same = len(found) == 2 and (found[0].words, found[0].loss_only) == (found[1].words, found[1].loss_only)
        return next(iter(plain), found[0] if same else None)

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
            pair = Answered(self.function, drawn, answer)
            return sum(min(e, 1.0) for e in pair.errors(replace(declared, architecture=kind))[0])

        return replace(declared, architecture=min(kinds, key=wrong) if len(kinds) > 1 else kinds[0])

    def _probe(self, drawn: Drawn, declared: Guess, found: Report) -> None:
        if not self.declared.biases and probes.overflows(self.function, drawn, self.single):
            if UNKNOWN in found.cause:  # it may be no exponential of softmax
                found.notes.append(probes.NOT_FINITE)
            else:
                found.verdict, found.causes = verdicts.LOSS, [f"{probes.NOT_FINITE}: {probes.OVERFLOW}"]
        elif not self.declared.biases and probes.overflows(self.function, drawn, self.single, of_one_class=True):
            found.notes.append(probes.LOGARITHM)
        kind = declared.architecture
        relu = kind.activation.startswith("relu") and not kind.normalization and len(drawn.parameters) > 1
        if relu and found.verdict == verdicts.RIGHT and (kink := probes.at_a_kink(self.function, drawn)) is not None:
            wrong = max(Answered(self.function, *kink).errors(declared)[0]) > EXACT[self.single]
            found.notes += [probes.KINK] if wrong else []

    def _judge(self, pairs: list[Answered], declared: Guess, guess: Guess | None) -> Report:
        tolerance, first = EXACT[self.single], pairs[0]
        each = [pair.errors(declared) for pair in pairs]
        errors = [max(pair) for pair in zip(*(errors for errors, _ in each), strict=True)]
        rights = [error <= tolerance for error in errors]
        same_loss = max(error for _, error in each) <= max(HARMLESS, SAME_LOSS[self.single])
        own = self._differences(first, FEW if same_loss else None)
        differ = any(quotient.verdict == "wrong" for quotient in own)
        unsure = not differ and any(quotient.verdict == "inconclusive" for quotient in own)
        if all(rights):
            verdict = verdicts.RIGHT if same_loss else verdicts.UNSURE if unsure else verdicts.LOSS
        elif same_loss:
            verdict = verdicts.WRONG
        else:
            verdict = verdicts.WRONG if differ else verdicts.UNSURE if unsure else verdicts.OTHER
            rights = [quotient.verdict == "right" for quotient in own]
        unknown = guess is None and not same_loss
        _, expected, mine = first.both(declared if same_loss or guess is None else guess)
        factor = partial(factor_words, drawn=first.drawn)
        if unknown:
            words = self._by_differences(first, own, factor)
        else:
            turned = [
                [x.T if x.dim() == 2 and self.function.layout.transposed else x for x in every]
                for every in (mine, expected, self.function.layout.in_order(first.drawn.parameters))
            ]  # as the user has them
            words = [relation(g, e, factor, parameter=w) for g, e, w in zip(*turned, strict=True)]
        words = ["" if right else said for right, said in zip(rights, words, strict=True)]
        columns = (self.names, self.function.layout.shapes, rights, errors, [quotient.error for quotient in own], words)
        report = Report(verdict, [TensorReport(*row) for row in zip(*columns, strict=True)])
        if verdict == verdicts.WRONG and unknown:
            all_of_it = "; ".join(self._by_own_differences(first)) or first.where(rights, words)
            report.causes = [f"{UNKNOWN}; by its own differences {all_of_it}"]
        elif verdict == verdicts.WRONG:
            report.causes, explained = first.of_gradients(declared, guess, rights, words)
            odd = guess is not None and "softmax_cross_entropy_forward" in guess.architecture.wrong
            known = self._by_own_differences(first) if odd or not explained else []
            if known := [said for said in known if not (explained and said.endswith("alone"))]:
                report.causes = [*(guess.words if guess else []), *known]
            if max(each[0][0]) <= tolerance and report.causes == [ROUNDING]:
                report.causes = [KEPT]
        elif verdict == verdicts.LOSS:
            report.causes = first.of_loss(declared, guess)
            if guess is None:
                report.causes += self._by_own_differences(first)
        elif verdict == verdicts.OTHER:
            known = guess.words + (guess.loss_only or []) if guess else []
            report.causes = known or [f"{UNKNOWN}, but the gradients are its derivative"]
        elif verdict == verdicts.UNSURE:
            report.causes = [ROUGH]
        if guess is not None and guess.architecture.activation != "relu" and self.question.activation is None:
            report.notes.append(f"activation found from the loss: {guess.architecture.activation}")
        if guess is not None and guess.architecture.inputs != "as given":
            report.notes.append(f"found from the loss: {guess.architecture.inputs}")
        return report

    def _by_own_differences(self, pair: Answered) -> list[str]:
        if self.single or self.question.own is not None or pair.drawn.kept:
            return []
        known = by_own_differences(self.function, self.question.architectures(pair.drawn), self.question.seed)
        return known or by_single_examples(self.function, self.question.seed)

    def _by_differences(self, pair: Answered, own: list[Quotient], factor: Callable[[float], str]) -> list[str]:
        """What relates each gradient to its differences, with the penalty's part and without it."""
        words = []
        for name, value, one in zip(self.names, self.function.layout.flat(pair.drawn), own, strict=True):
            (right, mine, parameter), said = one.beside(pair.answer.gradients[name], value), ""
            for penalty in (0.0, 2 * self.declared.factor * self.regularization):
                off = penalty * parameter
                said = said or relation(mine - off, right - off, factor, 1e-4, parameter)
            words.append(said)
        return words

    def _differences(self, pair: Answered, most: int | None) -> list[Quotient]:
        """Differences of the function's own loss; a few suffice where the loss is ours."""
        drawn, answer = pair.drawn, pair.answer

        def loss(values: list[Tensor]) -> float:
            try:
                return self.function.loss(drawn, values)
            except SubmissionError:
                return math.nan

        gradients = [answer.gradients[name] for name in self.names]
        return quotients(loss, self.function.layout.flat(drawn), gradients, answer.single, most)
