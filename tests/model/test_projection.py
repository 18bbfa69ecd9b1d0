import pytest
import torch

from avadclip.model.projection import FeatureProjection


def test_projection_standardises_by_training_rows_clamps_and_projects() -> None:
    projection = FeatureProjection(2, 3).eval()
    rows = torch.tensor([[1.0, 10.0], [3.0, 10.0], [5.0, 10.0]])  # deviation 2; and a constant channel
    projection.fit(rows)
    assert projection.mean.tolist() == [3.0, 10.0]
    assert projection.deviation.tolist() == [2.0, 1.0]
    x = torch.tensor([[[5.0, 11.0], [1003.0, -90.0]]])
    standard = torch.tensor([[[1.0, 1.0], [5.0, -5.0]]])
    torch.testing.assert_close(projection(x), standard @ projection.linear.weight.T + projection.linear.bias)


def test_statistics_are_saved_but_not_trained() -> None:
    projection = FeatureProjection(2, 3)
    assert {"mean", "deviation"} <= projection.state_dict().keys()
    assert {name for name, _ in projection.named_parameters()} == {"linear.weight", "linear.bias"}


@pytest.mark.filterwarnings("error")
def test_one_training_row_is_enough() -> None:
    projection = FeatureProjection(2, 3)
    projection.fit(torch.tensor([[1.0, 2.0]]))
    assert projection.deviation.tolist() == [1.0, 1.0]
    assert projection(torch.zeros(1, 1, 2)).isfinite().all()


def test_input_dropout_works_in_training_only() -> None:
    projection = FeatureProjection(40, 3, dropout=0.5)
    x = torch.ones(1, 1, 40)
    torch.manual_seed(0)
    assert not torch.equal(projection(x), projection(x))
    projection.eval()
    assert torch.equal(projection(x), projection(x))
