"""What SciPy says of small samples of scores: fixtures/statistics.json, for test/experiment/statistics.test.ts."""

import json
import os
import random

from scipy import stats

random.seed(7)


def sample(count, mean, spread):
    return [round(random.gauss(mean, spread), 4) for _ in range(count)]


def case(first, second):
    differences = [a - b for a, b in zip(first, second)]
    return {
        "first": first,
        "second": second,
        "tTest": stats.ttest_rel(first, second).pvalue,
        "wilcoxon": stats.wilcoxon(differences, method="exact").pvalue,
        "brownForsythe": stats.levene(first, second, center="median").pvalue,
    }


cases = [case(sample(n, 0.88, 0.01), sample(n, 0.87, spread)) for n in (3, 4, 5, 8, 20) for spread in (0.01, 0.05)]
three = [sample(6, 0.8, spread) for spread in (0.01, 0.02, 0.05)]
p_values = sorted(random.random() * 0.2 for _ in range(6))
random.shuffle(p_values)
result = {
    "cases": cases,
    "groups": {"values": three, "brownForsythe": stats.levene(*three, center="median").pvalue},
    # Step-down: the smallest p times m, the next times m - 1, ..., never falling.
    "holm": {"values": p_values},
}
ordered = sorted(range(len(p_values)), key=lambda i: p_values[i])
largest = 0.0
adjusted = [0.0] * len(p_values)
for place, i in enumerate(ordered):
    largest = max(largest, min(1.0, p_values[i] * (len(p_values) - place)))
    adjusted[i] = largest
result["holm"]["adjusted"] = adjusted

path = os.path.join(os.path.dirname(__file__), "fixtures", "statistics.json")
with open(path, "w") as file:
    json.dump(result, file, indent=1)
    file.write("\n")
