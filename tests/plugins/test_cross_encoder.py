"""The cross-encoder on a small model of its own kind."""

from pathlib import Path

import pytest

from hubbub import PluginError, Scorer
from plugins.cross_encoder import CrossEncoder, Settings
from tests.cross_encoding import make_cross_encoder

WORDS = "owls hunt mice at night bread is baked dawn"


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> CrossEncoder:
    folder = make_cross_encoder(tmp_path_factory.mktemp("models"), WORDS)
    scorer = CrossEncoder(Settings(batch=2))
    scorer.load(folder)
    scorer.load(folder)
    return scorer


def pairs(query: str, *texts: str) -> list[dict[str, str]]:
    return [{"query": query, "text": text} for text in texts]


def test_it_is_a_scorer() -> None:
    assert isinstance(CrossEncoder(Settings()), Scorer)


def test_a_pair_is_worth_the_sigmoid_of_its_logit(scorer: CrossEncoder) -> None:
    (score,) = scorer.score_many(pairs("Owls hunt", "Owls hunt mice"), None)
    assert score.value == pytest.approx(1 / (1 + 2.718281828459045**1))


def test_scores_have_the_order_of_the_pairs_and_do_not_depend_on_their_company(scorer: CrossEncoder) -> None:
    texts = ("bread is baked at dawn", "", "owls hunt mice at night " * 300, "Owls hunt.", "🦉")
    together = [score.value for score in scorer.score_many(pairs("owls hunt at night", *texts), None)]
    alone = [scorer.score(pair, None).value for pair in pairs("owls hunt at night", *texts)]
    assert together == alone
    assert together[2] > together[3] > together[0] > together[1] == together[4]


def test_a_question_of_any_length_leaves_room_for_the_text(scorer: CrossEncoder) -> None:
    (score,) = scorer.score_many(pairs("owls " * 2_000, "owls"), None)
    assert score.value > 0.9


def test_no_pairs_have_no_scores(scorer: CrossEncoder) -> None:
    assert scorer.score_many([], None) == []


def test_a_model_with_two_logits_is_refused(tmp_path: Path) -> None:
    folder = make_cross_encoder(tmp_path, WORDS, logits=2)
    with pytest.raises(ValueError, match="more than one logit"):
        CrossEncoder(Settings()).load(folder)


def test_without_its_model_it_says_what_to_do() -> None:
    with pytest.raises(PluginError, match="says where its files go"):
        CrossEncoder(Settings()).score({"query": "x", "text": "x"}, None)
