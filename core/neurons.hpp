// What kernels share that learn from one example at a time, with neurons in the lanes.

#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>
#include <type_traits>
#include <vector>

#include "buffer.hpp"
#include "kernel.hpp"
#include "layers.hpp"

namespace tinyglass {

// ------------------------------------------------------------------ weights

// Arrays that an update may read and write: the weights, and the optimiser's first and second memory of them.
constexpr int n_parts(Way way) {
    switch (way) {
        case Way::plain:
        case Way::sgd: return 1;
        case Way::momentum:
        case Way::nesterov: return 2;
        default: return 3;
    }
}

// A place in all of these arrays.
template <Way way, class T>
struct Place {
    std::array<T *, n_parts(way)> part;

    Place operator+(std::size_t k) const {
        Place moved = *this;
        for (T *&p : moved.part) p += k;
        return moved;
    }
    T *weights() const { return part[0]; }
    T *first() const { return n_parts(way) > 1 ? part[1 % n_parts(way)] : nullptr; }
    T *second() const { return n_parts(way) > 2 ? part[2 % n_parts(way)] : nullptr; }
};

template <Way way, class T>
struct Weights {
    std::array<Buffer<T>, n_parts(way)> part;

    explicit Weights(std::size_t n) {
        for (Buffer<T> &numbers : part) numbers = Buffer<T>(n);
    }
    const T *weights() const { return part[0].data(); }
    Place<way, T> place() {
        Place<way, T> start;
        for (int p = 0; p < n_parts(way); ++p) start.part[p] = part[p].data();
        return start;
    }
};

// What weights are moved by, times their input: the delta, or by the plain rule what is to be added.
template <Way way, class V>
TINYGLASS_INLINE V pull_of(const Rule<ElementOf<V>> &rule, V delta) {
    return way == Way::plain ? delta * -rule.rate : delta;
}

// Updates the weights at a place, and returns them. squares: see `updated`.
template <Way way, class V>
TINYGLASS_INLINE V move_weights(const Rule<ElementOf<V>> &rule, Place<way, ElementOf<V>> at, V input, V pull,
                                V &squares) {
    V w = load<V>(at.weights());
    if constexpr (way == Way::plain)
        w = multiply_add(input, pull, w);
    else
        w = updated<way>(rule, w, input * pull, at.first(), at.second(), squares);
    store(at.weights(), w);
    return w;
}

// Every update is of one example. As a constant, it is not divided by.
template <class T>
TINYGLASS_INLINE Rule<T> of_one_example(Rule<T> rule) {
    rule.batch = 1;
    return rule;
}

// Layers that translate each part of a state: layer.restore(part, numbers), layer.save(part, numbers).
// A part that the optimiser does not have is empty.
template <Way way, class T, class Layers>
void restore_layers(Layers &layers, const State<T> &state) {
    int p = 0;
    for (const std::vector<T> *part : {&state.parameters, &state.first, &state.second}) {
        if (p == n_parts(way) || part->empty()) return;
        const T *numbers = part->data();
        for (auto &layer : layers) {
            layer.restore(p, numbers);
            numbers += layer.n_parameters();
        }
        ++p;
    }
}

template <Way way, class T, class Layers>
void save_layers(const Layers &layers, State<T> &state) {
    int p = 0;
    for (std::vector<T> *part : {&state.parameters, &state.first, &state.second}) {
        if (p == n_parts(way) || part->empty()) return;
        T *numbers = part->data();
        for (const auto &layer : layers) {
            layer.save(p, numbers);
            numbers += layer.n_parameters();
        }
        ++p;
    }
}

// ------------------------------------------------------------------ lanes

// The sum, and the largest, of all lanes, in every lane.
template <class V, int distance = lanes_of<V> / 2>
TINYGLASS_INLINE V sum_everywhere(V v) {
    if constexpr (distance == 0)
        return v;
    else
        return sum_everywhere<V, distance / 2>(v + permute_by<V, Neighbour<distance>>(v, v));
}

template <class V, int distance = lanes_of<V> / 2>
TINYGLASS_INLINE V largest_everywhere(V v) {
    if constexpr (distance == 0)
        return v;
    else
        return largest_everywhere<V, distance / 2>(larger(v, permute_by<V, Neighbour<distance>>(v, v)));
}

// The first n lanes of v, the others minus infinity.
template <class V>
TINYGLASS_INLINE V largest_candidates(V v, std::size_t n) {
    return lanes_before<V>(n) ? v : broadcast<V>(-std::numeric_limits<ElementOf<V>>::infinity());
}

// 0, -1, -2, …
template <class V>
TINYGLASS_INLINE V minus_places() {
    V v;
    for (std::size_t k = 0; k < lanes_of<V>; ++k) v[k] = -ElementOf<V>(k);
    return v;
}

// The answer that n outputs give, as a number of their kind: minus the place of the first largest one, or of
// a single one whether it says yes.
template <class V>
TINYGLASS_INLINE ElementOf<V> answer_of(V a, std::size_t n) {
    using T = ElementOf<V>;
    if (n == 1) return a[0] >= T(0.5);
    const V largest = largest_candidates(a, n), nowhere = broadcast<V>(-std::numeric_limits<T>::infinity());
    return largest_of_lanes(largest == largest_everywhere(largest) ? minus_places<V>() : nowhere);
}
template <class V>
TINYGLASS_INLINE ElementOf<V> answer_of(const ElementOf<V> *a, std::size_t n) {
    using T = ElementOf<V>;
    constexpr std::size_t N = lanes_of<V>;
    if (n <= N) return answer_of(load<V>(a), n);
    V minus_place = minus_places<V>(), largest = load<V>(a);
    const V nowhere = broadcast<V>(-std::numeric_limits<T>::infinity());
    for (std::size_t j = N; j < n; j += N) largest = larger(largest, largest_candidates(load<V>(a + j), n - j));
    largest = largest_everywhere(largest);
    V first = nowhere;
    for (std::size_t j = 0; j < n; j += N, minus_place -= T(N))
        first = larger(first, largest_candidates(load<V>(a + j), n - j) == largest ? minus_place : nowhere);
    return largest_of_lanes(first);
}

// ------------------------------------------------------------------ one example

// Of n neurons in one vector: weighted sums become outputs, and 0 behind the last neuron.
template <class V>
TINYGLASS_INLINE V activated(Activation activation, V sums, std::size_t n) {
    const auto inside = lanes_before<V>(n);
    if (activation == Activation::softmax) {
        // The largest sum is taken off only where powers could leave the normal numbers: otherwise
        // nothing waits for it.
        V shifted = sums;
        if (__builtin_expect(largest_of_lanes(larger(sums, -sums)) > 40, 0))
            shifted = sums - largest_everywhere(largest_candidates(sums, n));
        const V power = inside ? exponential(shifted) : V{};
        return power / sum_everywhere(power);
    }
    V a{};
    with_activation(activation, [&](auto f) TINYGLASS_INLINED { a = f.output(sums); });
    return inside ? a : V{};
}

// Of one layer: outputs, deltas, and the slopes of its activation, all [n_out], padded. A softmax has no
// slope of its own; there it is 1.
template <class T>
struct LayerSignals {
    Buffer<T> outputs, deltas, slopes;
};

template <class T, int N>
class OneByOne : public Kernel<T> {
public:
    OneByOne(const Plan &plan, const Examples<T> &train) : Kernel<T>(plan, train) {
        for (const Layer &layer : plan.layers) {
            const std::size_t n = rounded_up(layer.n_out, N);
            signals_.push_back({Buffer<T>(n), Buffer<T>(n), Buffer<T>(n)});
            std::fill_n(signals_.back().slopes.data(), n, T(1));
        }
        const std::size_t n_out = plan.layers.back().n_out, padded = rounded_up(n_out, N);
        const std::size_t n_last = std::min(train.n, padded / n_out + 1);
        first_of_last_ = train.n - n_last;
        expected_of_last_ = Buffer<T>(n_last * n_out + padded);
        std::copy_n(this->expected(first_of_last_), n_last * n_out, expected_of_last_.data());
        for (std::size_t k = 0; k < train.n; ++k) answers_.push_back(answer_of<V>(expected_vectors(k), n_out));
    }

    void signals(std::size_t, T *outputs, T *deltas) const override {
        for (std::size_t l = 0; l < signals_.size(); ++l) {
            outputs = std::copy_n(signals_[l].outputs.data(), plan_.layers[l].n_out, outputs);
            deltas = std::copy_n(signals_[l].deltas.data(), plan_.layers[l].n_out, deltas);
        }
    }

protected:
    using V = Vec<T, N>;
    using Kernel<T>::plan_;
    using Kernel<T>::train_;

    std::vector<LayerSignals<T>> signals_;

    Rule<T> next_rule() { return of_one_example(this->pace.at(++this->updates, 1)); }

    // The expected outputs of an example, where whole vectors may be read: of the last examples, whose
    // end may be the end of memory, a copy.
    const T *expected_vectors(std::size_t example) const {
        return example < first_of_last_
                   ? this->expected(example)
                   : expected_of_last_.data() + (example - first_of_last_) * plan_.layers.back().n_out;
    }

    // Those from neuron j on; the lanes behind the last neuron are 0.
    V expected_lanes(std::size_t example, std::size_t j = 0) const {
        return lanes_before<V>(plan_.layers.back().n_out - j) ? load<V>(expected_vectors(example) + j) : V{};
    }

    // Weighted sums [n_out], padded with whatever is finite where they are, become outputs.
    void activate(std::size_t l, const T *sums, V &probe) {
        const Layer &layer = plan_.layers[l];
        T *a = signals_[l].outputs.data(), *slope = signals_[l].slopes.data();
        if (layer.activation == Activation::softmax) {
            if (layer.n_out <= N) {
                probe += load<V>(sums) * 0;
                return store(a, activated(layer.activation, load<V>(sums), layer.n_out));
            }
            for (std::size_t j = 0; j < layer.n_out; j += N) {
                probe += load<V>(sums + j) * 0;
                store(a + j, load<V>(sums + j));
            }
            return activate_neurons<V>(layer.activation, a, layer.n_out);
        }
        with_activation(layer.activation, [&](auto f) TINYGLASS_INLINED {
            for (std::size_t j = 0; j < layer.n_out; j += N) {
                const V sum = load<V>(sums + j);
                probe += sum * 0;
                const V output = lanes_before<V>(layer.n_out - j) ? f.output(sum) : V{};
                store(a + j, output);
                store(slope + j, f.delta(V{} + 1, output));
            }
        });
    }

    // The last layer's deltas, times the example's weight.
    void set_output_deltas(std::size_t example) {
        const Layer &last = plan_.layers.back();
        const T *o = signals_.back().outputs.data();
        T *delta = signals_.back().deltas.data();
        for (std::size_t j = 0; j < last.n_out; j += N)
            store(delta + j, output_error(plan_.loss, load<V>(o + j), expected_lanes(example, j), last.n_out));
        if (plan_.loss != Loss::cross_entropy) pass_through_neurons<V>(last.activation, o, delta, last.n_out);
        if (train_.weight)
            for (std::size_t j = 0; j < last.n_out; j += N)
                store(delta + j, load<V>(delta + j) * train_.weight[example]);
    }

    // Loss and hit, of outputs o that are in one vector.
    TINYGLASS_INLINE void count(std::size_t example, V o, V y, Tally<T> &tally) {
        const Layer &last = plan_.layers.back();
        count(example, loss_of_lanes(plan_.loss, last.activation, o, y), answer_of(o, last.n_out), tally);
    }

    // Of the outputs that are in signals_.
    void count(std::size_t example, Tally<T> &tally) {
        const Layer &last = plan_.layers.back();
        const T *o = signals_.back().outputs.data();
        V loss{};
        for (std::size_t j = 0; j < last.n_out; j += N)
            loss += loss_of_lanes(plan_.loss, last.activation, load<V>(o + j), expected_lanes(example, j));
        count(example, loss, answer_of<V>(o, last.n_out), tally);
    }

private:
    std::size_t first_of_last_;  // example
    Buffer<T> expected_of_last_;
    std::vector<T> answers_;  // [n]: those that are right

    TINYGLASS_INLINE void count(std::size_t example, V loss, T answer, Tally<T> &tally) {
        const T factor = loss_factor<T>(plan_.loss, plan_.layers.back().n_out);
        tally.loss += this->weight(example) * (factor * sum_of_lanes(loss));
        tally.correct += answer == answers_[example];
    }
};

}  // namespace tinyglass
