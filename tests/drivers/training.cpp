// Trains what is described on stdin, and writes the losses of each epoch, those of validation, and the weights.
//
//     training float32|float64 KERNEL N_NETWORKS
//
// More than one network are trained at once, in two threads: the k-th on the first n - k examples, its seed
// by k larger; their numbers are written one after another.
//
// The description is doubles as they lie in memory, in the order in which it is read below; names are
// the positions in the enumerations of core/arithmetic.hpp. The examples serve for validation too.

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "many/trainer.hpp"

using namespace tinyglass;

class Description {
public:
    double number() {
        double x = 0;
        if (std::fread(&x, sizeof x, 1, stdin) != 1) std::exit(3);
        return x;
    }
    template <class Integer>
    Integer integer() {
        return static_cast<Integer>(number());
    }
    template <class T>
    std::vector<T> numbers(std::size_t n) {
        std::vector<T> found(n);
        for (T &x : found) x = static_cast<T>(number());
        return found;
    }
};

Plan described_plan(Description &in) {
    Plan plan{};
    for (auto n_layers = in.integer<std::size_t>(); n_layers > 0; --n_layers) {
        const auto n_in = in.integer<std::size_t>(), n_out = in.integer<std::size_t>();
        const auto activation = in.integer<Activation>();
        plan.layers.push_back({n_in, n_out, activation, in.number() != 0});
    }
    plan.loss = in.integer<Loss>();
    plan.optimizer = in.integer<Optimizer>();
    plan.schedule = in.integer<Schedule>();
    for (double *x : {&plan.momentum, &plan.beta1, &plan.beta2, &plan.epsilon, &plan.l2, &plan.weight_limit,
                      &plan.rate, &plan.rate_drop})
        *x = in.number();
    for (std::int64_t *x : {&plan.rate_every, &plan.epochs, &plan.batch}) *x = in.integer<std::int64_t>();
    plan.shuffle = in.number() != 0;
    plan.seed = in.integer<std::uint64_t>();
    plan.baseline = std::numeric_limits<double>::infinity();  // saturation is not looked for
    return plan;
}

template <class Number>
void write(const std::vector<Number> &numbers) {
    for (const double x : numbers) std::fwrite(&x, sizeof x, 1, stdout);
}

template <class T>
void write(Trainer<T> &trainer) {
    write(trainer.losses);
    write(trainer.validation_losses);
    write(trainer.now().parameters);
}

template <class T>
int train(const std::string &kernel, std::size_t n_networks) {
    Description in;
    Plan plan = described_plan(in);
    const auto n = in.integer<std::size_t>();
    const auto inputs = in.numbers<T>(n * plan.layers.front().n_in);
    const auto expected = in.numbers<T>(n * plan.layers.back().n_out), weight = in.numbers<T>(n);
    std::size_t n_parameters = 0;
    for (const Layer &layer : plan.layers) n_parameters += layer.n_parameters();
    const auto parameters = in.numbers<T>(n_parameters);
    std::vector<std::unique_ptr<Trainer<T>>> trainers;
    for (std::size_t k = 0; k < n_networks; ++k, ++plan.seed) {
        const Examples<T> examples{inputs.data(), expected.data(), weight.data(), n - k};
        trainers.push_back(std::make_unique<Trainer<T>>(plan, examples, examples, parameters, kernel));
    }
    if (n_networks == 1) {
        if (trainers[0]->run(std::numeric_limits<double>::infinity()) != Status::finished) return 4;
        write(*trainers[0]);
        return 0;
    }
    ManyTrainer<T> many(std::move(trainers), 2);
    while (!many.run(1e-3)) continue;
    for (std::size_t k = 0; k < n_networks; ++k) {
        if (many.status(k) != Status::finished) return 4;
        write(many[k]);
    }
    return 0;
}

int main(int n, char **words) {
    if (n != 4) return 2;
    const std::size_t n_networks = std::stoul(words[3]);
    return words[1] == std::string("float32") ? train<float>(words[2], n_networks) : train<double>(words[2], n_networks);
}
