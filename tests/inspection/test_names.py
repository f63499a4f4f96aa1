from zslearn.inspection._names import GroupSpan, group_spans, readable_name


def test_readable_name():
    assert readable_name("has_bill_shape::hooked_seabird") == "bill shape: hooked seabird"
    assert readable_name("has_bill_shape::hooked_seabird", with_group=False) == "hooked seabird"
    assert readable_name("new_world") == "new world"
    assert readable_name("new_world", with_group=False) == "new world"


def test_groups_are_runs():
    names = ["has_eye::red", "has_eye::blue", "flies", "flies", "has_eye::red"]
    assert group_spans(names) == [
        GroupSpan("eye", 0, 2),
        GroupSpan("flies", 2, 3),
        GroupSpan("flies", 3, 4),
        GroupSpan("eye", 4, 5),
    ]
    assert group_spans([]) == []
