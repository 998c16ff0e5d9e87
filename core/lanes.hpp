// The kernel for mini-batches of small layers: lanes are examples throughout, so that a layer of three
// inputs wastes no lanes; a gradient is summed over its lanes once an update.

#pragma once

#include "minibatch.hpp"

namespace tinyglass {

template <class T, int N, int NE>
class Lanes final : public MiniBatch<T, N, NE> {
public:
    Lanes(const Plan &plan, const Examples<T> &train) : MiniBatch<T, N, NE>(plan, train) {
        for (std::size_t k = 0; k < net_.connections.size(); ++k) {
            memory_[k].gradients = Buffer<T>(net_.connections[k].n_weights());
            deltas_.emplace_back(net_.connections[k].layer.n_out * rounded_up(net_.chunk, NE));
        }
    }

    const char *name() const override { return "lanes"; }

    void signals(std::size_t b, T *outputs, T *deltas) const override {
        for (std::size_t l = 0; l < deltas_.size(); ++l) {
            const std::size_t n_out = net_.connections[l].layer.n_out;
            for (const Block &block : net_.blocks)
                if (b >= block.first && b < block.first + block.wide)
                    for (std::size_t o = 0; o < n_out; ++o) {
                        const std::size_t at = Network::at(block, n_out) + o * block.wide + b - block.first;
                        *outputs++ = net_.outputs_of(l)[at];
                        *deltas++ = deltas_of(l)[at];
                    }
        }
    }

private:
    using V = Vec<T, N>;
    using VE = Vec<T, NE>;
    using Network = TileNetwork<T, N, NE>;
    using Connections = typename Network::Connections;
    using MiniBatch<T, N, NE>::net_;
    using MiniBatch<T, N, NE>::memory_;
    static constexpr int inputs_at_once = NE < 4 ? NE : 4;
    static constexpr int neurons_at_once = n_registers == 32 && NE >= 16 ? 4 : 2;

    std::vector<Buffer<T>> deltas_;  // columns, of all layers but the last

    const T *deltas_of(std::size_t l) const {
        return l + 1 == deltas_.size() ? this->output_deltas_.data() : deltas_[l].data();
    }

    void learn_chunk(bool first, bool last, Tally<T> &tally) override {
        for (std::size_t l = 0; l < deltas_.size(); ++l) net_.feed(l, tally.not_finite);
        net_.finish_outputs();
        this->compare_outputs(tally);

        const Rule<T> rule = last ? this->pace.at(++this->updates, this->in_batch_) : Rule<T>{};
        V squares{};
        for (std::size_t l = deltas_.size(); l-- > 0;) {
            if (l > 0) pass_back(l);
            add_gradients(l, first);
            if (last) squares += update(l, rule);
        }
        if (last) this->add_penalty(squares, tally);
    }

    // Deltas of the layer before.
    void pass_back(std::size_t l) {
        const Connections &c = net_.connections[l];
        const std::size_t n_in = c.layer.n_in, n_out = c.layer.n_out;
        for (const Block &block : net_.blocks) {
            const T *deltas = deltas_of(l) + Network::at(block, n_out);
            T *errors = deltas_[l - 1].data() + Network::at(block, n_in);
            with_constant<E_max>(block.vectors, [&](auto E) {
                for (std::size_t p = 0; p < c.inputs.count(); ++p)
                    for_tiles<R_max<E(), T>>(0, c.inputs.inside(p), [&](auto R, std::size_t i) {
                        error_tile<R(), E()>(c.weights.data() + c.inputs.at(p, n_out) + i, c.inputs.wide(p), deltas, n_out,
                                             errors + (c.inputs.first(p) + i) * block.wide);
                    });
            });
            const T *a = net_.outputs_of(l - 1) + Network::at(block, n_in);
            with_activation(net_.connections[l - 1].layer.activation, [&](auto f) {
                for (std::size_t k = 0; k < n_in * block.wide; k += NE)
                    store(errors + k, f.delta(load<VE>(errors + k), load<VE>(a + k)));
            });
        }
    }

    template <int R, int E>
    [[gnu::noinline]] static void error_tile(const T *weights, std::size_t row, const T *deltas, std::size_t n_out,
                                             T *errors) {
        Tile<R, E, VE> tile;
        tile.clear();
        tile.add_products(n_out, weights, 1, row, deltas, E * NE);
        tile.store_to(errors, E * NE);
    }

    void add_gradients(std::size_t l, bool first) {
        const Connections &c = net_.connections[l];
        auto &m = memory_[l];
        if (first) {
            m.gradients.clear();
            m.bias_gradients.clear();
        }
        for (std::size_t o = 0; o < c.layer.n_out;) {
            const std::size_t left = c.layer.n_out - o;
            if (left >= neurons_at_once)
                o += add_gradients_of<neurons_at_once>(l, o);
            else if (left >= 2)
                o += add_gradients_of<2>(l, o);
            else
                o += add_gradients_of<1>(l, o);
        }
    }

    // Of neurons o .. o + R; returns R.
    template <int R>
    std::size_t add_gradients_of(std::size_t l, std::size_t o) {
        const Connections &c = net_.connections[l];
        auto &m = memory_[l];
        for (std::size_t p = 0; p < c.inputs.count(); ++p)
            for (std::size_t i = 0; i < c.inputs.inside(p); i += inputs_at_once)
                gradient_tile<R>(l, o, c.inputs.first(p) + i,
                                 m.gradients.data() + c.inputs.at(p, c.layer.n_out) + o * c.inputs.wide(p) + i,
                                 c.inputs.wide(p));
        for (int r = 0; r < R; ++r) {
            VE sum{};
            for (const Block &block : net_.blocks) {
                const T *deltas = deltas_of(l) + Network::at(block, c.layer.n_out) + (o + r) * block.wide;
                for (std::size_t lane = 0; lane < block.wide; lane += NE) sum += load<VE>(deltas + lane);
            }
            m.bias_gradients[o + r] += sum_of_lanes(sum);
        }
        return R;
    }

    // Adds the gradients of R neurons and a few inputs; an input behind the last repeats the last.
    template <int R>
    [[gnu::noinline]] void gradient_tile(std::size_t l, std::size_t o, std::size_t i, T *to, std::size_t row) const {
        constexpr int C = inputs_at_once;
        const Layer &layer = net_.connections[l].layer;
        VE sum[R * C] = {};
        for (const Block &block : net_.blocks) {
            const T *deltas = deltas_of(l) + Network::at(block, layer.n_out) + o * block.wide;
            const T *inputs = net_.inputs_of(l) + Network::at(block, layer.n_in);
            const T *x[C];
            for (int j = 0; j < C; ++j) x[j] = inputs + std::min(i + j, layer.n_in - 1) * block.wide;
            for (std::size_t lane = 0; lane < block.wide; lane += NE)
#pragma GCC unroll 4
                for (int r = 0; r < R; ++r) {
                    const VE d = load<VE>(deltas + r * block.wide + lane);
#pragma GCC unroll 4
                    for (int j = 0; j < C; ++j) sum[r * C + j] = multiply_add(d, load<VE>(x[j] + lane), sum[r * C + j]);
                }
        }
        const int here = static_cast<int>(std::min<std::size_t>(C, layer.n_in - i));
        if constexpr (R * C <= NE) {
            const VE sums = sums_of_lanes<R * C>(sum);
            for (int r = 0; r < R; ++r)
                for (int j = 0; j < here; ++j) to[r * row + j] += sums[r * C + j];
        } else {
            for (int r = 0; r < R; ++r)
                for (int j = 0; j < here; ++j) to[r * row + j] += sum_of_lanes(sum[r * C + j]);
        }
    }

    V update(std::size_t l, const Rule<T> &rule) {
        auto &c = net_.connections[l];
        auto &m = memory_[l];
        this->update_bias(l, rule);
        return update_weights<V>(this->way_, rule, c.weights.data(), m.gradients.data(), m.first.data(), m.second.data(),
                                 c.weights.size());
    }
};

}  // namespace tinyglass
