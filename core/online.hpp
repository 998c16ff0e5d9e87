// Batch 1, small networks: every example is an update, and vector lanes are neurons.
//
// Weights are kept twice, [n_in][n_out] and, behind the first layer, also turned, [n_out][n_in], so that
// neither weighted sums nor errors need a sum across lanes. Both copies make the same updates by the same
// operations, and stay equal to the bit.
//
// Such a training is one chain of operations that wait for each other; what can be taken off the chain
// decides the speed. The first layer's update is made in the same pass over its weights as the weighted
// sums of a later example. By the plain rule, w -= rate δ x, not even that pass is waited for: it sums
// for the example after the next, and the one update that these sums have not seen is added to them:
//   Σ (w - rate δ x) x' = Σ w x' - rate δ Σ x x'

#pragma once

#include "neurons.hpp"

namespace tinyglass {

template <Way way, class T>
struct OnlineLayer : Layer {
    std::size_t stride, turned_stride;  // n_out and n_in, padded
    Weights<way, T> w;                  // [n_in + 1][stride]; the last row is the bias, 0 where there is none
    Weights<way, T> turned;             // [n_out][turned_stride]; not of the first layer
    Buffer<T> pulls;                    // [stride]

    OnlineLayer(const Layer &layer, bool is_first, std::size_t unit)
        : Layer(layer),
          stride(rounded_up(n_out, unit)),
          turned_stride(rounded_up(n_in, unit)),
          w((n_in + 1) * stride),
          turned(is_first ? 0 : n_out * turned_stride),
          pulls(stride) {}

    // canonical: the layer's numbers in the layout of arithmetic.hpp. (A training that diverged may have
    // left what is not a number in the padding.)
    void restore(int p, const T *canonical) {
        w.part[p].clear();
        turned.part[p].clear();
        for (std::size_t i = 0; i < n_in + bias; ++i)
            std::copy_n(canonical + i * n_out, n_out, w.part[p].data() + i * stride);
        if (turned.part[p].size() == 0) return;
        for (std::size_t j = 0; j < n_out; ++j)
            for (std::size_t i = 0; i < n_in; ++i) turned.part[p][j * turned_stride + i] = canonical[i * n_out + j];
    }
    void save(int p, T *canonical) const {
        for (std::size_t i = 0; i < n_in + bias; ++i)
            std::copy_n(w.part[p].data() + i * stride, n_out, canonical + i * n_out);
    }
};

// sums[v] += Σ_i x[i] · w[v] of the weights w that row(i, w) gives, in several chains of additions.
template <int n_vectors, int n_chains, class V, class Row>
TINYGLASS_INLINE void add_products(const ElementOf<V> *x, std::size_t n, V *sums, Row row) {
    V chain[n_chains][n_vectors] = {};
    const auto add = [&](std::size_t i, V *to) TINYGLASS_INLINED {
        const V xi = broadcast<V>(x[i]);
        V w[n_vectors];
        row(i, w);
#pragma GCC unroll 4
        for (int v = 0; v < n_vectors; ++v) to[v] = multiply_add(xi, w[v], to[v]);
    };
#pragma GCC unroll 4
    for (int v = 0; v < n_vectors; ++v) chain[0][v] = sums[v];
    std::size_t i = 0;
    for (; i + n_chains <= n; i += n_chains)
#pragma GCC unroll 4
        for (int c = 0; c < n_chains; ++c) add(i + c, chain[c]);
#pragma GCC unroll 1
    for (; i < n; ++i) add(i, chain[0]);
#pragma GCC unroll 4
    for (int c = 1; c < n_chains; ++c)
#pragma GCC unroll 4
        for (int v = 0; v < n_vectors; ++v) chain[0][v] += chain[c][v];
#pragma GCC unroll 4
    for (int v = 0; v < n_vectors; ++v) sums[v] = chain[0][v];
}

// Σ (rate a) b: with the rate first, which is small where inputs are so large that a b could overflow.
template <class V>
TINYGLASS_INLINE ElementOf<V> overlap(ElementOf<V> rate, const ElementOf<V> *a, const ElementOf<V> *b, std::size_t n) {
    constexpr std::size_t N = lanes_of<V>;
    V sums{};
    std::size_t i = 0;
    for (; i + N <= n; i += N) sums = multiply_add(rate * load<V>(a + i), load<V>(b + i), sums);
    ElementOf<V> rest = 0;
    for (; i < n; ++i) rest += rate * a[i] * b[i];
    return sum_of_lanes(sums) + rest;
}

template <class T, int N, Way way>
class OnlineNetwork : public OneByOne<T, N> {
public:
    OnlineNetwork(const Plan &plan, const Examples<T> &train) : OneByOne<T, N>(plan, train) {
        for (const Layer &layer : plan.layers) layers_.emplace_back(layer, layers_.empty(), N);
        sums_ = Buffer<T>(layers_.front().stride);
        later_sums_ = Buffer<T>(layers_.front().stride);
    }

    const char *name() const override { return "online"; }

    void restore(const State<T> &state) override {
        this->updates = state.updates;
        is_new_epoch_ = true;
        restore_layers<way>(layers_, state);
    }

    void save(State<T> &state) override {
        state.updates = this->updates;
        save_layers<way>(layers_, state);
    }

protected:
    using V = Vec<T, N>;

    std::vector<OnlineLayer<way, T>> layers_;
    Buffer<T> sums_;        // of the first layer, for the next example
    Buffer<T> later_sums_;  // by the plain rule: for the one after it, before the next update
    bool is_new_epoch_ = true;
};

// ------------------------------------------------------------------ layers of one vector

template <int k>
struct SameLane {
    static constexpr int of(int) { return k; }
};

template <int k, class V>
TINYGLASS_INLINE V lane(V v) {
    return permute_by<V, SameLane<k>>(v, v);
}

// Calls use(0), use(1), … use(n - 1) with constants, n ≤ N.
template <int N, int k = 0, class Use>
TINYGLASS_INLINE void for_lanes(std::size_t n, Use use) {
    if constexpr (k < N)
        if (k < n) {
            use(std::integral_constant<int, k>{});
            for_lanes<N, k + 1>(n, use);
        }
}

// Errors become deltas; a: the outputs.
template <class V>
TINYGLASS_INLINE V passed_through(Activation activation, V a, V error) {
    if (activation == Activation::softmax) return a * (error - sum_of_lanes(error * a));
    V delta{};
    with_activation(activation, [&](auto f) { delta = f.delta(error, a); });
    return delta;
}

// Everything that waits for each other stays in registers.
template <class T, int N, Way way>
class OnlineInRegisters final : public OnlineNetwork<T, N, way> {
    using Base = OnlineNetwork<T, N, way>;
    using V = typename Base::V;
    using Base::is_new_epoch_;
    using Base::later_sums_;
    using Base::layers_;
    using Base::plan_;
    using Base::signals_;
    using Base::sums_;
    using Base::train_;

public:
    using Base::Base;

    static bool suits(const Plan &plan) {
        return std::all_of(plan.layers.begin(), plan.layers.end(), [](const Layer &layer) { return layer.n_out <= N; });
    }

    std::size_t learn(const std::uint32_t *order, std::size_t n, std::size_t wanted, Tally<T> &tally) override {
        const std::size_t end = std::min(n, wanted);
        const OnlineLayer<way, T> &first = layers_.front();
        Tally<T> now = tally;
        V probe{}, sums = load<V>(sums_.data()), later_sums = load<V>(later_sums_.data());
        for (std::size_t k = 0; k < end; ++k) {
            const T *x = this->input(order[k]);
            const T *next = this->input(order[std::min(k + 1, n - 1)]);
            const Rule<T> rule = this->next_rule();
            if (is_new_epoch_) {
                sums = first_sums(x);
                later_sums = first_sums(next);
            }
            is_new_epoch_ = k + 1 == n;
            // Early, as nothing in it waits for this example.
            const T shared = way == Way::plain ? overlap<V>(rule.rate, x, next, first.n_in) + rule.rate * first.bias : T(0);
            V squares{};
            const V o = output(sums, probe), y = this->expected_lanes(order[k]);
            const V delta = back_through(rule, output_delta(order[k], o, y), squares);
            if constexpr (way == Way::plain) {
                const T *later = this->input(order[std::min(k + 2, n - 1)]);
                sums = subtract_product(broadcast<V>(shared), delta, later_sums);
                later_sums = update_first(rule, x, delta, later, squares);
            } else {
                sums = update_first(rule, x, delta, next, squares);
            }
            this->count(order[k], o, y, now);
            if (plan_.l2 != 0) now.loss += plan_.l2 / 2 * sum_of_lanes(squares);
        }
        store(sums_.data(), sums);
        store(later_sums_.data(), later_sums);
        now.not_finite += sum_of_lanes(probe);
        tally = now;
        return end;
    }

private:
    V first_sums(const T *x) const {
        const OnlineLayer<way, T> &first = layers_.front();
        const T *w = first.w.weights();
        V sums = load<V>(w + first.n_in * N);
        add_products<1, 4>(x, first.n_in, &sums,
                           [&](std::size_t i, V *row) TINYGLASS_INLINED { row[0] = load<V>(w + i * N); });
        return sums;
    }

    // Moves the first layer's weights, and returns what they then make of another example.
    TINYGLASS_INLINE V update_first(const Rule<T> &rule, const T *x, V delta, const T *another, V &squares) {
        OnlineLayer<way, T> &first = layers_.front();
        const Place<way, T> w = first.w.place();
        const V pull = pull_of<way>(rule, delta);
        V sums = update_bias(rule, first, pull);
        add_products<1, 4>(another, first.n_in, &sums, [&](std::size_t i, V *row) TINYGLASS_INLINED {
            row[0] = move_weights<way>(rule, w + i * N, broadcast<V>(x[i]), pull, squares);
        });
        return sums;
    }

    TINYGLASS_INLINE V update_bias(const Rule<T> &rule, OnlineLayer<way, T> &layer, V pull) {
        V not_counted{};
        const Place<way, T> bias = layer.w.place() + layer.n_in * N;
        return layer.bias ? move_weights<way>(rule.without_l2(), bias, broadcast<V>(1), pull, not_counted) : V{};
    }

    // From the first layer's weighted sums to the last layer's outputs.
    TINYGLASS_INLINE V output(V sums, V &probe) {
        V a = output_of(0, sums, probe);
        for (std::size_t l = 1; l < layers_.size(); ++l) a = output_of(l, sums_of(layers_[l], a), probe);
        return a;
    }

    TINYGLASS_INLINE V output_of(std::size_t l, V sums, V &probe) {
        probe += sums * 0;
        const V a = activated(layers_[l].activation, sums, layers_[l].n_out);
        store(signals_[l].outputs.data(), a);
        return a;
    }

    TINYGLASS_INLINE V sums_of(const OnlineLayer<way, T> &layer, V a) const {
        const T *w = layer.w.weights();
        V sums[2] = {load<V>(w + layer.n_in * N)};
        for_lanes<N>(layer.n_in, [&](auto i) TINYGLASS_INLINED {
            sums[i % 2] = multiply_add(lane<i>(a), load<V>(w + i * N), sums[i % 2]);
        });
        return sums[0] + sums[1];
    }

    TINYGLASS_INLINE V output_delta(std::size_t example, V o, V y) const {
        const Layer &last = plan_.layers.back();
        V delta = output_error(plan_.loss, o, y, last.n_out);
        if (plan_.loss != Loss::cross_entropy) delta = passed_through(last.activation, o, delta);
        if (train_.weight) delta *= train_.weight[example];
        return delta;
    }

    // From the last layer's deltas to the first layer's; all but the first learn.
    TINYGLASS_INLINE V back_through(const Rule<T> &rule, V delta, V &squares) {
        for (std::size_t l = layers_.size() - 1; l > 0; --l) {
            store(signals_[l].deltas.data(), delta);
            const V a = load<V>(signals_[l - 1].outputs.data());
            delta = passed_through(layers_[l - 1].activation, a, errors_before(rule, layers_[l], a, delta, squares));
        }
        store(signals_[0].deltas.data(), delta);
        return delta;
    }

    // Errors of the layer before, whose outputs are a; this layer learns.
    TINYGLASS_INLINE V errors_before(const Rule<T> &rule, OnlineLayer<way, T> &layer, V a, V delta, V &squares) {
        const Place<way, T> w = layer.w.place(), turned = layer.turned.place();
        const V pull = pull_of<way>(rule, delta);
        V errors[2] = {}, counted_already{};
        for_lanes<N>(layer.n_out, [&](auto j) TINYGLASS_INLINED {
            errors[j % 2] = multiply_add(lane<j>(delta), load<V>(turned.weights() + j * N), errors[j % 2]);
            move_weights<way>(rule, turned + j * N, a, lane<j>(pull), counted_already);
        });
        for_lanes<N>(layer.n_in, [&](auto i) TINYGLASS_INLINED {
            move_weights<way>(rule, w + i * N, lane<i>(a), pull, squares);
        });
        update_bias(rule, layer, pull);
        return errors[0] + errors[1];
    }
};

// ------------------------------------------------------------------ layers of several vectors

template <class T, int N, Way way>
class Online final : public OnlineNetwork<T, N, way> {
    using Base = OnlineNetwork<T, N, way>;
    using V = typename Base::V;
    using Base::is_new_epoch_;
    using Base::later_sums_;
    using Base::layers_;
    using Base::plan_;
    using Base::signals_;
    using Base::sums_;

public:
    using Base::Base;

    std::size_t learn(const std::uint32_t *order, std::size_t n, std::size_t wanted, Tally<T> &tally) override {
        const std::size_t end = std::min(n, wanted);
        const std::size_t n_layers = layers_.size();
        const auto input = [&](std::size_t k) { return this->input(order[std::min(k, n - 1)]); };
        V probe{};
        for (std::size_t k = 0; k < end; ++k) {
            const T *x = input(k), *next = input(k + 1);
            if (is_new_epoch_) {
                add_sums(layers_[0], x, sums_.data());
                add_sums(layers_[0], next, later_sums_.data());
            }
            is_new_epoch_ = k + 1 == n;
            V squares{};
            this->activate(0, sums_.data(), probe);
            // While that is waited for: the update by the example before.
            if (way == Way::plain && k > 0) update_first(input(k - 1), next, later_sums_.data(), squares);
            for (std::size_t l = 1; l < n_layers; ++l) {
                T *a = signals_[l].outputs.data();
                add_sums(layers_[l], signals_[l - 1].outputs.data(), a);
                this->activate(l, a, probe);
            }
            rule_ = this->next_rule();
            this->set_output_deltas(order[k]);
            for (std::size_t l = n_layers - 1; l > 0; --l) back_through(l, squares);
            set_pulls(0);
            if (way == Way::plain) {
                set_next_sums(x, next);
            } else {
                copy_biases(layers_[0], sums_.data());
                update_first(x, next, sums_.data(), squares);
            }
            this->count(order[k], tally);
            if (plan_.l2 != 0) tally.loss += plan_.l2 / 2 * sum_of_lanes(squares);
        }
        V none{};
        if (way == Way::plain) update_first(input(end - 1), input(end + 1), later_sums_.data(), none);
        tally.not_finite += sum_of_lanes(probe);
        return end;
    }

private:
    Rule<T> rule_;  // of the last update

    // Sums that are added up side by side, where the registers also hold pulls and inputs.
    static constexpr int n_moving_chains(int n_vectors) { return n_vectors == 1 ? 4 : n_vectors == 2 ? 2 : 1; }

    // Weighted sums of a layer.
    void add_sums(OnlineLayer<way, T> &layer, const T *x, T *sums) {
        const std::size_t n_in = layer.n_in, stride = layer.stride;
        in_blocks(stride / N, [&](auto n_vectors, std::size_t block) TINYGLASS_INLINED {
            const T *w = layer.w.weights() + block * N;
            V sum[n_vectors];
            for (int v = 0; v < n_vectors; ++v) sum[v] = load<V>(w + n_in * stride + v * N);
            constexpr int n_chains = n_vectors <= 2 ? 4 : 2;
            add_products<n_vectors, n_chains>(x, n_in, sum, [&](std::size_t i, V *row) TINYGLASS_INLINED {
                for (int v = 0; v < n_vectors; ++v) row[v] = load<V>(w + i * stride + v * N);
            });
            for (int v = 0; v < n_vectors; ++v) store(sums + (block + v) * N, sum[v]);
        });
    }

    // What the deltas of a layer pull its weights with; its biases are moved.
    void set_pulls(std::size_t l) {
        OnlineLayer<way, T> &layer = layers_[l];
        const Rule<T> rule = of_one_example(rule_.without_l2());
        const Place<way, T> bias = layer.w.place() + layer.n_in * layer.stride;
        const T *delta = signals_[l].deltas.data();
        T *pulls = layer.pulls.data();
        for (std::size_t j = 0; j < layer.stride; j += N) {
            const V pull = pull_of<way>(rule, load<V>(delta + j));
            store(pulls + j, pull);
            V not_counted{};
            if (layer.bias) move_weights<way>(rule, bias + j, broadcast<V>(1), pull, not_counted);
        }
    }

    void copy_biases(OnlineLayer<way, T> &layer, T *sums) {
        const T *bias = layer.w.weights() + layer.n_in * layer.stride;
        for (std::size_t j = 0; j < layer.stride; j += N) store(sums + j, load<V>(bias + j));
    }

    // Moves the first layer's weights, and adds what sums they then make of another example.
    void update_first(const T *x, const T *another, T *sums, V &squares) {
        OnlineLayer<way, T> &first = layers_.front();
        const Rule<T> rule = of_one_example(rule_);
        const std::size_t n_in = first.n_in, stride = first.stride;
        const T *pulls = first.pulls.data();
        in_blocks(stride / N, [&](auto n_vectors, std::size_t block) TINYGLASS_INLINED {
            const Place<way, T> w = first.w.place() + block * N;
            V pull[n_vectors], sum[n_vectors], square[n_vectors] = {};
            for (int v = 0; v < n_vectors; ++v) {
                pull[v] = load<V>(pulls + (block + v) * N);
                sum[v] = load<V>(sums + (block + v) * N);
            }
            constexpr int n_chains = n_moving_chains(n_vectors);
            add_products<n_vectors, n_chains>(another, n_in, sum, [&](std::size_t i, V *row) TINYGLASS_INLINED {
                const V xi = broadcast<V>(x[i]);
                for (int v = 0; v < n_vectors; ++v)
                    row[v] = move_weights<way>(rule, w + (i * stride + v * N), xi, pull[v], square[v]);
            });
            for (int v = 0; v < n_vectors; ++v) {
                store(sums + (block + v) * N, sum[v]);
                squares += square[v];
            }
        });
    }

    // By the plain rule: the first layer's sums of the next example, as this one's update will make them.
    void set_next_sums(const T *x, const T *next) {
        const T rate = rule_.rate;
        const V shared = broadcast<V>(overlap<V>(rate, x, next, layers_[0].n_in) + rate * layers_[0].bias);
        for (std::size_t j = 0; j < layers_[0].stride; j += N)
            store(&sums_[j], subtract_product(shared, load<V>(&signals_[0].deltas[j]), load<V>(&later_sums_[j])));
        copy_biases(layers_[0], later_sums_.data());
    }

    // Deltas of a layer to those of the layer before it; the layer learns.
    void back_through(std::size_t l, V &squares) {
        set_pulls(l);
        move_turned(l);
        if (layers_[l - 1].activation == Activation::softmax)
            pass_through_neurons<V>(Activation::softmax, signals_[l - 1].outputs.data(), signals_[l - 1].deltas.data(),
                                    layers_[l].n_in);
        move_rows(l, squares);
    }

    // The turned weights, and with them the deltas before them.
    void move_turned(std::size_t l) {
        const Rule<T> rule = of_one_example(rule_);
        OnlineLayer<way, T> &layer = layers_[l];
        const std::size_t n_out = layer.n_out, stride = layer.turned_stride;
        const T *a = signals_[l - 1].outputs.data(), *slopes = signals_[l - 1].slopes.data();
        const T *deltas = signals_[l].deltas.data(), *pulls = layer.pulls.data();
        T *deltas_before = signals_[l - 1].deltas.data();
        in_blocks(stride / N, [&](auto n_vectors, std::size_t block) TINYGLASS_INLINED {
            const Place<way, T> turned = layer.turned.place() + block * N;
            V error[n_vectors] = {}, input[n_vectors], counted_already{};
            for (int v = 0; v < n_vectors; ++v) input[v] = load<V>(a + (block + v) * N);
            constexpr int n_chains = n_moving_chains(n_vectors);
            add_products<n_vectors, n_chains>(deltas, n_out, error, [&](std::size_t j, V *row) TINYGLASS_INLINED {
                const V pull = broadcast<V>(pulls[j]);
                for (int v = 0; v < n_vectors; ++v) {
                    const Place<way, T> at = turned + (j * stride + v * N);
                    row[v] = load<V>(at.weights());
                    move_weights<way>(rule, at, input[v], pull, counted_already);
                }
            });
            for (int v = 0; v < n_vectors; ++v) {
                const std::size_t i = (block + v) * N;
                store(deltas_before + i, error[v] * load<V>(slopes + i));
            }
        });
    }

    void move_rows(std::size_t l, V &squares) {
        const Rule<T> rule = of_one_example(rule_);
        OnlineLayer<way, T> &layer = layers_[l];
        const std::size_t n_in = layer.n_in, stride = layer.stride;
        const T *a = signals_[l - 1].outputs.data(), *pulls = layer.pulls.data();
        in_blocks(stride / N, [&](auto n_vectors, std::size_t block) TINYGLASS_INLINED {
            const Place<way, T> w = layer.w.place() + block * N;
            V pull[n_vectors], square[n_vectors] = {};
            for (int v = 0; v < n_vectors; ++v) pull[v] = load<V>(pulls + (block + v) * N);
            for (std::size_t i = 0; i < n_in; ++i) {
                const V ai = broadcast<V>(a[i]);
                for (int v = 0; v < n_vectors; ++v)
                    move_weights<way>(rule, w + (i * stride + v * N), ai, pull[v], square[v]);
            }
            for (int v = 0; v < n_vectors; ++v) squares += square[v];
        });
    }
};

}  // namespace tinyglass
