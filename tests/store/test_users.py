"""Who signs in."""

from argon2 import PasswordHasher
from argon2.profiles import RFC_9106_LOW_MEMORY


def test_a_password_costs_what_the_standard_asks_for(slow_hasher: PasswordHasher) -> None:
    kept = slow_hasher.hash("correct horse battery")
    least = RFC_9106_LOW_MEMORY
    assert kept.startswith(f"$argon2id$v=19$m={least.memory_cost},t={least.time_cost},p={least.parallelism}$")
