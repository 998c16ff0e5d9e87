"""Files that say what others hold: ``info.labels``, ``structured_labels.labels``, tables of labels."""
