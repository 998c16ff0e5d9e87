// Batch 1, larger networks: every example is an update, and every weight is touched as seldom as can be.
//
// Weights are kept once, a row [n_in] for each neuron, and lanes are inputs. The first layer's update is put
// off, and made in the pass that computes the weighted sums of the next example: its weights are read once
// and written once. The later layers are updated in the pass that takes errors back through them.

#pragma once

#include "neurons.hpp"

namespace tinyglass {

// Numbers from one row to the next: an odd number of cache lines, so that rows spread over all cache sets.
template <class T>
constexpr std::size_t row_stride(std::size_t n) {
    constexpr std::size_t line = 64 / sizeof(T);
    return ((n + line - 1) / line | 1) * line;
}

template <Way way, class T>
struct DeferredLayer : Layer {
    std::size_t stride;
    Weights<way, T> w;     // [n_out][stride]
    Weights<way, T> b;     // [n_out], padded; 0 where there is none
    Buffer<T> sums, pulls; // [n_out], padded

    DeferredLayer(const Layer &layer, std::size_t unit)
        : Layer(layer),
          stride(row_stride<T>(n_in)),
          w(n_out * stride),
          b(rounded_up(n_out, unit)),
          sums(rounded_up(n_out, unit)),
          pulls(rounded_up(n_out, unit)) {}

    // canonical: the layer's numbers in the layout of arithmetic.hpp. (A training that diverged may have
    // left what is not a number in the padding.)
    void restore(int p, const T *canonical) {
        w.part[p].clear();
        b.part[p].clear();
        for (std::size_t j = 0; j < n_out; ++j)
            for (std::size_t i = 0; i < n_in; ++i) w.part[p][j * stride + i] = canonical[i * n_out + j];
        if (bias) std::copy_n(canonical + n_in * n_out, n_out, b.part[p].data());
    }
    void save(int p, T *canonical) const {
        for (std::size_t j = 0; j < n_out; ++j)
            for (std::size_t i = 0; i < n_in; ++i) canonical[i * n_out + j] = w.part[p][j * stride + i];
        if (bias) std::copy_n(b.part[p].data(), n_out, canonical + n_in * n_out);
    }
};

template <class T, int N, Way way>
class Deferred final : public OneByOne<T, N> {
    using Base = OneByOne<T, N>;
    using V = Vec<T, N>;
    using Base::plan_;
    using Base::signals_;
    using Base::train_;

public:
    Deferred(const Plan &plan, const Examples<T> &train) : Base(plan, train) {
        for (const Layer &layer : plan.layers) layers_.emplace_back(layer, N);
        const std::size_t n_in = rounded_up(plan.layers.front().n_in, N);
        input_ = Buffer<T>(n_in);
        input_before_ = Buffer<T>(n_in);
    }

    const char *name() const override { return "deferred"; }

    void restore(const State<T> &state) override {
        this->updates = state.updates;
        is_put_off_ = false;
        restore_layers<way>(layers_, state);
    }

    void save(State<T> &state) override {
        make_good();
        state.updates = this->updates;
        save_layers<way>(layers_, state);
    }

    std::size_t learn(const std::uint32_t *order, std::size_t n, std::size_t wanted, Tally<T> &tally) override {
        const std::size_t end = std::min(n, wanted);
        for (std::size_t k = 0; k < end; ++k) learn_from(order[k], tally);
        return end;
    }

private:
    std::vector<DeferredLayer<way, T>> layers_;
    Buffer<T> input_, input_before_;  // of this example, and of the update put off; padded
    Rule<T> rule_;                    // of the last update
    bool is_put_off_ = false;

    void learn_from(std::size_t example, Tally<T> &tally) {
        std::copy_n(this->input(example), plan_.layers.front().n_in, input_.data());
        V probe{};
        double squares = is_put_off_ ? add_sums<true>(0, input_.data()) : add_sums<false>(0, input_.data());
        this->activate(0, layers_[0].sums.data(), probe);
        for (std::size_t l = 1; l < layers_.size(); ++l) {
            squares += add_sums<false>(l, signals_[l - 1].outputs.data());
            this->activate(l, layers_[l].sums.data(), probe);
        }
        tally.not_finite += sum_of_lanes(probe);

        rule_ = this->next_rule();
        this->set_output_deltas(example);
        for (std::size_t l = layers_.size() - 1; l > 0; --l) back_through(l);
        pull(0);
        is_put_off_ = true;
        std::swap(input_, input_before_);
        this->count(example, tally);
        if (plan_.l2 != 0) tally.loss += plan_.l2 / 2 * squares;
    }

    void make_good() {
        if (is_put_off_) add_sums<true>(0, input_.data());  // the sums are of no use
        is_put_off_ = false;
    }

    // The weighted sums of a layer with inputs x; returns Σ weight². The update that was put off is made first.
    template <bool is_put_off>
    double add_sums(std::size_t l, const T *x) {
        DeferredLayer<way, T> &layer = layers_[l];
        const std::size_t n_in = layer.n_in, n_out = layer.n_out, stride = layer.stride;
        const T *before = input_before_.data();
        const Rule<T> rule = of_one_example(rule_);
        double all_squares = 0;
        for (std::size_t j = 0; j < n_out; j += N) {
            const std::size_t here = std::min<std::size_t>(N, n_out - j);
            V partial[N] = {}, squares{};
            in_blocks<std::min(4, N)>(here, [&](auto n_rows, std::size_t first) TINYGLASS_INLINED {
                const Place<way, T> rows = layer.w.place() + (j + first) * stride;
                V sum[n_rows] = {}, square[n_rows] = {}, pull[n_rows], counted_already{};
                for (int r = 0; r < n_rows; ++r) pull[r] = broadcast<V>(layer.pulls[j + first + r]);
                for (std::size_t i = 0; i < n_in; i += N) {
                    const V xi = load<V>(x + i), xi_before = is_put_off ? load<V>(before + i) : V{};
                    for (int r = 0; r < n_rows; ++r) {
                        const Place<way, T> at = rows + (r * stride + i);
                        const V w = is_put_off ? move_weights<way>(rule, at, xi_before, pull[r], counted_already)
                                               : load<V>(at.weights());
                        if constexpr (way != Way::plain) square[r] = multiply_add(w, w, square[r]);
                        sum[r] = multiply_add(xi, w, sum[r]);
                    }
                }
                for (int r = 0; r < n_rows; ++r) {
                    partial[first + r] = sum[r];
                    squares += square[r];
                }
            });
            all_squares += sum_of_lanes(squares);
            store(&layer.sums[j], sums_of_lanes<N>(partial) + load<V>(&layer.b.part[0][j]));
        }
        return all_squares;
    }

    // What the deltas of a layer pull its weights with; its biases are moved.
    void pull(std::size_t l) {
        DeferredLayer<way, T> &layer = layers_[l];
        const Rule<T> rule = of_one_example(rule_.without_l2());
        for (std::size_t j = 0; j < layer.n_out; j += N) {
            V not_counted{};
            const V pull = pull_of<way>(rule_, load<V>(&signals_[l].deltas[j]));
            store(&layer.pulls[j], pull);
            if (layer.bias) move_weights<way>(rule, layer.b.place() + j, broadcast<V>(1), pull, not_counted);
        }
    }

    // Deltas of a layer to those of the layer before it; the layer learns.
    void back_through(std::size_t l) {
        pull(l);
        DeferredLayer<way, T> &layer = layers_[l];
        const std::size_t n_in = layer.n_in, stride = layer.stride;
        const T *delta = signals_[l].deltas.data(), *a = signals_[l - 1].outputs.data();
        T *errors = signals_[l - 1].deltas.data();
        const Rule<T> rule = of_one_example(rule_);
        std::fill_n(errors, rounded_up(n_in, N), T(0));
        in_blocks(layer.n_out, [&](auto n_rows, std::size_t j) TINYGLASS_INLINED {
            const Place<way, T> rows = layer.w.place() + j * stride;
            V d[n_rows], pull[n_rows], counted_already{};
            for (int r = 0; r < n_rows; ++r) {
                d[r] = broadcast<V>(delta[j + r]);
                pull[r] = broadcast<V>(layer.pulls[j + r]);
            }
            for (std::size_t i = 0; i < n_in; i += N) {
                const V ai = load<V>(a + i);
                V error = load<V>(errors + i);
                for (int r = 0; r < n_rows; ++r) {
                    const Place<way, T> at = rows + (r * stride + i);
                    error = multiply_add(d[r], load<V>(at.weights()), error);
                    move_weights<way>(rule, at, ai, pull[r], counted_already);
                }
                store(errors + i, error);
            }
        });
        pass_through_neurons<V>(layers_[l - 1].activation, a, errors, n_in);
    }
};

}  // namespace tinyglass
