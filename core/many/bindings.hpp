// What Python sees of many trainings at once: ManyFloat32, ManyFloat64; tinyglass.many speaks to them.

#pragma once

#include "../arguments.hpp"
#include "trainer.hpp"

namespace tinyglass {

// Many trainings, and the arrays they read, which must outlive them.
template <class T>
class ManySession {
public:
    // settings: what all have in common. seeds, rates, epochs, baselines: [n_networks].
    // train, validation: (inputs, expected, weight) of each. parameters [n_networks][n_parameters]. kernel: or
    // empty for the one that suits
    ManySession(const nb::list &layers, const nb::dict &settings, const std::vector<std::uint64_t> &seeds,
                const Vector<double> &rates, const Vector<std::int64_t> &epochs, const Vector<double> &baselines,
                const nb::list &train, const nb::list &validation, const Matrix<T> &parameters, const std::string &kernel,
                std::size_t threads) {
        const std::size_t n = seeds.size();
        if (n == 0 || rates.shape(0) != n || epochs.shape(0) != n || baselines.shape(0) != n || train.size() != n ||
            validation.size() != n || parameters.shape(0) != n)
            throw std::invalid_argument("not one of everything for each network");
        Plan plan = make_plan(layers, settings);
        const std::size_t n_parameters = count_parameters(plan.layers);
        if (parameters.shape(1) != n_parameters) throw std::invalid_argument("wrong number of parameters");
        const std::string wished = kernel.empty() && suits_lanes<T>(plan) ? "many" : kernel;
        const OneThread one_thread(n > 1 || threads < 2);  // each crew has its own
        parts_.reserve(2 * n);
        std::vector<std::unique_ptr<Trainer<T>>> trainers;
        for (std::size_t k = 0; k < n; ++k) {
            plan.seed = seeds[k];
            plan.rate = rates.data()[k];
            plan.epochs = epochs.data()[k];
            plan.baseline = baselines.data()[k];
            const T *start = parameters.data() + k * n_parameters;
            trainers.push_back(std::make_unique<Trainer<T>>(plan, keep(train[k], plan, 1), keep(validation[k], plan, 0),
                                                            std::vector<T>(start, start + n_parameters), wished));
        }
        many_ = std::make_unique<ManyTrainer<T>>(std::move(trainers), threads);
    }

    bool run(double seconds) {
        nb::gil_scoped_release release;
        return many_->run(seconds);
    }

    void stop() {
        nb::gil_scoped_release release;
        many_->stop();
    }

    double share_done() const { return many_->share_done(); }

    nb::dict result(std::size_t k) {
        if (k >= many_->size()) throw std::invalid_argument("there is no such network");
        return to_result((*many_)[k], many_->status(k));
    }

private:
    std::vector<Part<T>> parts_;
    std::unique_ptr<ManyTrainer<T>> many_;

    Examples<T> keep(nb::handle part, const Plan &plan, std::size_t fewest) {
        parts_.emplace_back(nb::cast<nb::tuple>(part));
        if (parts_.back().n() < fewest) throw std::invalid_argument("no examples");
        return parts_.back().examples(plan.layers);
    }
};

template <class T>
void bind_many(nb::module_ &m, const char *name) {
    nb::class_<ManySession<T>>(m, name)
        .def(nb::init<const nb::list &, const nb::dict &, const std::vector<std::uint64_t> &, const Vector<double> &,
                      const Vector<std::int64_t> &, const Vector<double> &, const nb::list &, const nb::list &,
                      const Matrix<T> &, const std::string &, std::size_t>(),
             "layers"_a, "settings"_a, "seeds"_a, "rates"_a, "epochs"_a, "baselines"_a, "train"_a, "validation"_a,
             "parameters"_a, "kernel"_a, "threads"_a)
        .def("run", &ManySession<T>::run, "seconds"_a)
        .def("stop", &ManySession<T>::stop)
        .def("result", &ManySession<T>::result, "network"_a)
        .def_prop_ro("share_done", &ManySession<T>::share_done);
}

inline void bind_many(nb::module_ &m) {
    bind_many<float>(m, "ManyFloat32");
    bind_many<double>(m, "ManyFloat64");
}

}  // namespace tinyglass
