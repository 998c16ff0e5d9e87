// What Python hands to the core and gets back: settings by their names, arrays checked for their shapes.
// Whether they make sense is checked in Python (training.py); here only what would read out of bounds.

#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <array>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "trainer.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace tinyglass {

// The names of arithmetic.py, in the order of the enumerations.
inline const std::vector<std::string> activations{"linear", "step", "sigmoid", "tanh", "relu", "leaky_relu", "softmax"};
inline const std::vector<std::string> losses{"half_squared_error", "mean_squared_error", "cross_entropy"};
inline const std::vector<std::string> optimizers{"sgd", "momentum", "nesterov", "adam"};
inline const std::vector<std::string> schedules{"constant", "step", "cosine"};
inline const std::array<const char *, 5> statuses{"paused", "finished", "stopped_early", "non_finite", "saturated"};

template <class Enum>
Enum named(const std::vector<std::string> &names, const std::string &name) {
    const auto found = std::find(names.begin(), names.end(), name);
    if (found == names.end()) throw std::invalid_argument("unknown name: " + name);
    return static_cast<Enum>(found - names.begin());
}

// arguments: a tuple (n_in, n_out, activation, bias) a layer
inline std::vector<Layer> make_layers(const nb::list &arguments) {
    std::vector<Layer> layers;
    for (nb::handle h : arguments) {
        const auto t = nb::cast<nb::tuple>(h);
        if (t.size() != 4) throw std::invalid_argument("a layer is (n_in, n_out, activation, bias)");
        layers.push_back({nb::cast<std::size_t>(t[0]), nb::cast<std::size_t>(t[1]),
                          named<Activation>(activations, nb::cast<std::string>(t[2])), nb::cast<bool>(t[3])});
        if (layers.back().n_in == 0 || layers.back().n_out == 0) throw std::invalid_argument("a layer is empty");
        if (layers.size() > 1 && layers.back().n_in != layers[layers.size() - 2].n_out)
            throw std::invalid_argument("layers do not fit together");
    }
    if (layers.empty()) throw std::invalid_argument("no layers");
    return layers;
}

inline Plan make_plan(const nb::list &layers, const nb::dict &s) {
    const auto number = [&](const char *key) { return nb::cast<double>(s[key]); };
    const auto integer = [&](const char *key) { return nb::cast<std::int64_t>(s[key]); };
    const auto text = [&](const char *key) { return nb::cast<std::string>(s[key]); };
    if (integer("rate_every") < 1) throw std::invalid_argument("rate_every is less than 1");
    return {make_layers(layers),
            named<Loss>(losses, text("loss")),
            named<Optimizer>(optimizers, text("optimizer")),
            number("momentum"),
            number("beta1"),
            number("beta2"),
            number("epsilon"),
            number("l2"),
            number("weight_limit"),
            named<Schedule>(schedules, text("schedule")),
            number("rate"),
            number("rate_drop"),
            integer("rate_every"),
            integer("epochs"),
            integer("batch"),
            nb::cast<bool>(s["shuffle"]),
            nb::cast<std::uint64_t>(s["seed"]),
            integer("patience"),
            number("tolerance"),
            number("baseline")};
}

template <class T, class... Shape>
nb::object to_numpy(const std::vector<T> &values, Shape... shape) {
    T *copy = new T[values.size()];
    std::copy(values.begin(), values.end(), copy);
    nb::capsule owner(copy, [](void *p) noexcept { delete[] static_cast<T *>(p); });
    return nb::cast(nb::ndarray<nb::numpy, T, nb::ndim<sizeof...(shape)>>(copy, {shape...}, owner));
}

template <class T>
nb::object to_numpy(const std::vector<T> &values) {
    return to_numpy(values, values.size());
}

template <class T>
using Vector = nb::ndarray<const T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
template <class T>
using Matrix = nb::ndarray<const T, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

template <class T>
std::vector<T> to_vector(const Vector<T> &array) {
    return {array.data(), array.data() + array.shape(0)};
}

// inputs [n][n_in], expected [n][n_out], weight [n] or none
template <class T>
struct Part {
    Matrix<T> inputs, expected;
    std::optional<Vector<T>> weight;

    Part(nb::tuple t) {
        if (t.size() != 3) throw std::invalid_argument("examples are (inputs, expected, weight)");
        inputs = nb::cast<Matrix<T>>(t[0]);
        expected = nb::cast<Matrix<T>>(t[1]);
        if (!t[2].is_none()) weight = nb::cast<Vector<T>>(t[2]);
    }

    std::size_t n() const { return inputs.shape(0); }

    Examples<T> examples(const std::vector<Layer> &layers) const {
        const std::size_t n = inputs.shape(0);
        if (inputs.shape(1) != layers.front().n_in || expected.shape(0) != n ||
            expected.shape(1) != layers.back().n_out || (weight && weight->shape(0) != n) || n > 0xFFFFFFFFu)
            throw std::invalid_argument("examples do not fit the layers");
        return {inputs.data(), expected.data(), weight ? weight->data() : nullptr, n};
    }
};

inline nb::dict to_dict(const Trouble &trouble) {
    nb::dict d;
    d["epoch"] = trouble.epoch;
    d["update"] = trouble.update;
    d["layer"] = trouble.layer;
    d["neuron"] = trouble.neuron;
    d["input"] = trouble.input;
    d["value"] = trouble.value;
    d["sum"] = trouble.sum;
    return d;
}

// What a run tells of a training that is over or left off; its parameters are the best where a validation
// part chose them.
template <class T>
nb::dict to_result(Trainer<T> &trainer, Status status) {
    const bool validated = !trainer.validation_losses.empty();
    nb::dict d;
    d["status"] = statuses[static_cast<std::size_t>(status)];
    d["parameters"] = to_numpy(validated ? trainer.best_parameters : trainer.now().parameters);
    d["losses"] = to_numpy(trainer.losses);
    d["accuracies"] = to_numpy(trainer.accuracies);
    d["validation_losses"] = to_numpy(trainer.validation_losses);
    d["validation_accuracies"] = to_numpy(trainer.validation_accuracies);
    d["best_epoch"] = validated ? trainer.best_epoch : trainer.epoch();
    d["updates"] = trainer.updates();
    d["kernel"] = trainer.kernel();
    d["trouble"] = to_dict(trainer.trouble);
    return d;
}

}  // namespace tinyglass
