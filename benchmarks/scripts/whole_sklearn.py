"""A whole run in scikit-learn: read a table, score the network on what was left out, train it, keep it.

whole_sklearn.py TABLE HIDDEN EPOCHS BATCH RATE OUT, as in: table.csv 20,10 30 32 0.1 model.joblib
"""

import csv
import sys
import warnings

import joblib
import numpy as np
from sklearn.model_selection import LeaveOneOut, StratifiedKFold, cross_val_score
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

warnings.simplefilter("ignore")  # that it has not converged
table, hidden, epochs, batch, rate, out = sys.argv[1:]
with open(table, newline="", encoding="utf-8") as file:
    rows = list(csv.reader(file))[1:]
X = np.array([row[:-1] for row in rows], np.float32)
y = np.array([row[-1] for row in rows])

model = make_pipeline(
    StandardScaler(),
    MLPClassifier(
        tuple(map(int, hidden.split(","))),
        activation="logistic",
        solver="sgd",
        alpha=0.0,
        batch_size=int(batch),
        learning_rate_init=float(rate),
        momentum=0.0,
        nesterovs_momentum=False,
        max_iter=int(epochs),
        n_iter_no_change=int(epochs),
        random_state=0,
    ),
)
parts = LeaveOneOut() if len(y) <= 30 else StratifiedKFold(5, shuffle=True, random_state=0)
print(f"accuracy {cross_val_score(model, X, y, cv=parts).mean():.3f}")
joblib.dump(model.fit(X, y), out)
