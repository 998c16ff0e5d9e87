"""What the model says, and what it learns when it is told what that was."""

import model
from answers import spoken
from kit import left, light, now, wait
from second_button import is_second_pressed
from trainer import Trainer, expected_outputs
from wire import typed

# Button 2, pressed k times: the last recording was of the k-th class of model.CLASSES.
# Button 2, held: forget all that was learnt.
# On the console: k, 0 to forget, = LABEL, or = 12.5 for a quantity.
PAUSE = 1000  # ms without a press after which they are counted
HELD = 3000  # ms
READ_ONLY = 30  # the error of a drive that programs may not write to

trainer = Trainer()
lesson = [0.0] * 0  # the inputs of the last prediction
is_saved = True


def predict(readings):
    """Return the answer for readings, with what was learnt."""
    global lesson
    lesson = model.prepare(readings)
    return model.answer(trainer.predict(lesson))


def attend():
    """Learn, or forget, if button 2 or the console says so; return whether it took time."""
    line = (typed() or "").strip()
    if line[:1] == "=":
        learn_typed(line[1:].strip())
    elif line.isdigit():
        learn_class(int(line))
    elif is_second_pressed():
        learn_class(count_presses())
    else:
        return False
    return True


def count_presses():
    """Return how often button 2 is pressed until a pause, 0 if it is held."""
    presses = 1
    pressed = True
    changed = now()
    while left(changed) > -(HELD if pressed else PAUSE):
        wait(20)  # for which no contact bounces
        if is_second_pressed() != pressed:
            pressed = not pressed
            presses += pressed
            changed = now()
    return 0 if pressed else presses


def learn_typed(text):
    """Learn a label, the number of a class or a quantity."""
    try:
        if model.CLASSES is None:
            quantity = float(text)
            if quantity - quantity != 0:
                raise ValueError("infinite, or no number")
        else:
            k = model.CLASSES.index(text) + 1 if text in model.CLASSES else int(text)
    except ValueError:
        wanted = "a number" if model.CLASSES is None else "one of " + ", ".join(model.CLASSES)
        print(f"> Expected {wanted}, found {text}")
        return
    if model.CLASSES is None:
        learn(quantity, 1)
    else:
        learn_class(k)


def learn_class(k):
    """Learn the k-th class; 0 means to forget."""
    if k == 0:
        forget()
    elif model.CLASSES is None:
        print("> This network gives a quantity: type what it was, such as: = 12.5")
    elif 0 < k <= len(model.CLASSES):
        learn(model.CLASSES[k - 1], k)
    else:
        print(f"> There is no class {k}: the last is {len(model.CLASSES)}, {model.CLASSES[-1]}")


def learn(label, blinks):
    """Go one step towards a class or a quantity, save that, and say what came of it."""
    if not lesson:
        print("> Nothing was predicted yet that could be learnt")
        return
    loss = trainer.step(lesson, expected_outputs(label))
    says = spoken(*model.answer(trainer.predict(lesson)))
    print(f"> Learnt {label}: the loss was {loss:.4f}, the network now says {says}")
    save()
    light(False)
    for _ in range(blinks):
        wait(200)
        light(True)
        wait(200)
        light(False)


def save():
    global is_saved
    try:
        if is_saved:
            trainer.save()
    except OSError as error:
        if error.args[0] == READ_ONLY:
            is_saved = False
            print(
                "> Kept until the next restart only: this drive is the PC's. To let programs write instead,"
            )
            print("> put into boot.py: import storage; storage.remount('/', False)")
        else:
            print(f"> Not saved: {error}")


def forget():
    try:
        trainer.forget()
        print("> Forgotten: the network is as it was at first")
    except OSError as error:
        print(f"> Forgotten until the next restart only: {error}")
    light(True)
    wait(1000)
    light(False)
    while is_second_pressed():
        wait(20)


def recall():
    """Take up what was learnt before the restart."""
    try:
        trainer.load()
        print("> What was learnt before is loaded")
    except OSError:
        pass  # nothing was saved
    except ValueError as error:
        print(f"> Ignored: {error}")


if model.CLASSES is None:
    print("> To teach: type what it was, such as: = 12.5")
else:
    print("> To teach: type the number of what it was, or press button 2 as often")
    for place, label in enumerate(model.CLASSES):
        print(f">   {place + 1} {label}")
print(f"> To forget what was learnt: type 0, or hold button 2 for {HELD // 1000} s")
recall()
