from hypothesis import given
from hypothesis import strategies as st

from seesaw_keras.choices import unknown_name


@given(st.text(), st.lists(st.text(min_size=1), min_size=1, unique=True))
def test_the_message_names_the_unknown_one_a_known_one_and_all(name, known):
    message = unknown_name("thing", name, known)
    head, _, rest = message.partition(": did you mean ")
    assert head == f"unknown thing {name!r}"
    assert any(rest == f"{nearest!r}? All: {', '.join(known)}" for nearest in known)


def test_the_suggestion_is_the_closest():
    assert "did you mean 'shuffle'?" in unknown_name("variant", "shufle", ["share", "shuffle", "phone"])
