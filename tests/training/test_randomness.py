import torch

from kinetic.training.randomness import mixed_seed, seeded

CPU = torch.device("cpu")


def test_the_same_numbers_give_the_same_draws_and_others_do_not():
    draws = []
    for numbers in ((0, 1), (0, 1), (1, 0), (0, 2)):
        with seeded(*numbers, device=CPU):
            draws.append(torch.randn(4))
    assert torch.equal(draws[0], draws[1])
    assert not any(torch.equal(draws[0], other) for other in draws[2:])


def test_draws_outside_are_untouched():
    torch.manual_seed(5)
    expected = torch.randn(3)
    torch.manual_seed(5)
    with seeded(1, device=CPU):
        torch.randn(100)
    assert torch.equal(torch.randn(3), expected)


def test_neighbouring_numbers_give_unrelated_seeds():
    seeds = {mixed_seed(a, b) for a in range(30) for b in range(30)}
    assert len(seeds) == 900 and len({s % 2**32 for s in seeds}) == 900
    assert all(0 <= s < 2**63 for s in seeds)
