"""A whole run in PyTorch: read a table, score the network on what was left out, train it, keep it.

whole_torch.py TABLE HIDDEN EPOCHS BATCH RATE OUT, as in: table.csv 20,10 30 32 0.1 model.pt
"""

import csv
import sys
from itertools import pairwise

import torch
from torch import nn

table, hidden, epochs, batch, rate, out = sys.argv[1:]
with open(table, newline="", encoding="utf-8") as file:
    rows = list(csv.reader(file))[1:]
X = torch.tensor([[float(value) for value in row[:-1]] for row in rows])
labels = sorted({row[-1] for row in rows})
y = torch.tensor([labels.index(row[-1]) for row in rows])
sizes = [X.shape[1], *map(int, hidden.split(",")), len(labels)]


def fit(X: torch.Tensor, y: torch.Tensor) -> nn.Module:
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(sizes):
        layers += [nn.Linear(n_in, n_out), nn.Sigmoid()]
    network = nn.Sequential(*layers[:-1])
    loss_function = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(network.parameters(), lr=float(rate))
    for _ in range(int(epochs)):
        for part in torch.randperm(len(X)).split(int(batch)):
            optimizer.zero_grad()
            loss_function(network(X[part]), y[part]).backward()
            optimizer.step()
    return network


def brought_to_mean_0(X: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    return (X - like.mean(0)) / like.std(0, correction=0)


torch.manual_seed(0)
n_parts = len(X) if len(X) <= 30 else 5
part_of = torch.randperm(len(X)) % n_parts
right = 0
for k in range(n_parts):
    kept, left_out = part_of != k, part_of == k
    network = fit(brought_to_mean_0(X[kept], X[kept]), y[kept])
    with torch.no_grad():
        answers = network(brought_to_mean_0(X[left_out], X[kept])).argmax(1)
    right += int((answers == y[left_out]).sum())
print(f"accuracy {right / len(X):.3f}")
torch.save(fit(brought_to_mean_0(X, X), y).state_dict(), out)
