// What Python sees of the core: TrainerFloat32, TrainerFloat64, ManyFloat32, ManyFloat64, feedforward.

#include "arguments.hpp"
#include "feedforward.hpp"
#include "many/bindings.hpp"
#include "peak.hpp"

using namespace tinyglass;

namespace tinyglass {

extern template class Trainer<float>;  // in kernels.cpp
extern template class Trainer<double>;
extern template class ManyTrainer<float>;
extern template class ManyTrainer<double>;
extern template class Feedforward<float>;
extern template class Feedforward<double>;

}  // namespace tinyglass

namespace {

// A trainer, and the arrays it reads, which must outlive it.
template <class T>
struct Session {
    Plan plan;
    Part<T> train, validation;
    Trainer<T> trainer;
    Status status = Status::paused;

    Session(const nb::list &layers, const nb::dict &settings, nb::tuple train_, nb::tuple validation_,
            const Vector<T> &parameters, const std::string &kernel)
        : plan(make_plan(layers, settings)),
          train(train_),
          validation(validation_),
          trainer(checked(plan, train.inputs.shape(0), parameters.shape(0)), train.examples(plan.layers),
                  validation.examples(plan.layers), to_vector(parameters), kernel) {}

    static const Plan &checked(const Plan &plan, std::size_t n_examples, std::size_t n_parameters) {
        if (n_examples == 0) throw std::invalid_argument("no examples");
        if (n_parameters != count_parameters(plan.layers)) throw std::invalid_argument("wrong number of parameters");
        return plan;
    }

    std::string run(double seconds, std::optional<std::int64_t> until) {
        {
            nb::gil_scoped_release release;
            status = trainer.run(seconds, until.value_or(std::numeric_limits<std::int64_t>::max()));
        }
        return statuses[static_cast<std::size_t>(status)];
    }

    // Nothing is to follow.
    nb::dict result() {
        if (status == Status::paused) {
            nb::gil_scoped_release release;
            status = trainer.leave_off();
        }
        return to_result(trainer, status);
    }

    // Where the training is at this very moment, also within an epoch.
    nb::dict now() {
        nb::dict d;
        const State<T> &now = trainer.now();
        d["parameters"] = to_numpy(now.parameters);
        d["first"] = to_numpy(now.first);
        d["second"] = to_numpy(now.second);
        d["epoch"] = now.epoch;
        d["updates"] = now.updates;
        return d;
    }

    void watch(const Vector<std::int64_t> &indices, std::size_t keep) { trainer.watch(to_vector(indices), keep); }

    nb::dict movements() const {
        if (!trainer.movements) throw std::invalid_argument("no parameter is watched");
        const Movements<T> &m = *trainer.movements;
        nb::dict d;
        d["net"] = to_numpy(m.net, m.n_watched, m.n_shares);
        d["path"] = to_numpy(m.path, m.n_watched, m.n_shares);
        d["kept_updates"] = to_numpy(m.kept_updates, m.n_watched, m.keep);
        d["kept_movement"] = to_numpy(m.kept_movement, m.n_watched, m.keep);
        d["kept_example"] = to_numpy(m.kept_example, m.n_watched, m.keep);
        d["kept_share"] = to_numpy(m.kept_share, m.n_watched, m.keep);
        return d;
    }

    // Everything that continues this training from the start of the epoch, to the bit.
    nb::dict state() {
        nb::dict d;
        const State<T> &start = trainer.epoch_start();
        const auto made = [&](const std::vector<double> &curve) {
            return to_numpy(std::vector<double>(curve.begin(), curve.begin() + std::min<std::ptrdiff_t>(start.epoch, curve.size())));
        };
        d["parameters"] = to_numpy(start.parameters);
        d["first"] = to_numpy(start.first);
        d["second"] = to_numpy(start.second);
        d["best_parameters"] = to_numpy(trainer.best_parameters);
        d["losses"] = made(trainer.losses);
        d["accuracies"] = made(trainer.accuracies);
        d["validation_losses"] = made(trainer.validation_losses);
        d["validation_accuracies"] = made(trainer.validation_accuracies);
        d["counters"] = to_numpy(std::vector<std::int64_t>{start.epoch, start.updates, trainer.best_epoch});
        d["figures"] = to_numpy(std::vector<double>{trainer.best_loss, trainer.largest_sum_at_start()});
        return d;
    }

    void restore(const nb::dict &d) {
        const auto array = [&](const char *key, std::size_t size) {
            auto v = to_vector(nb::cast<Vector<T>>(d[key]));
            if (v.size() != size) throw std::invalid_argument(std::string("wrong size: ") + key);
            return v;
        };
        const auto curve = [&](const char *key) { return to_vector(nb::cast<Vector<double>>(d[key])); };
        const auto counters = to_vector(nb::cast<Vector<std::int64_t>>(d["counters"]));
        const auto figures = to_vector(nb::cast<Vector<double>>(d["figures"]));
        if (counters.size() != 3 || figures.size() != 2) throw std::invalid_argument("wrong size: counters");
        const std::size_t n_parameters = trainer.now().parameters.size();
        const State<T> state{array("parameters", n_parameters),
                             array("first", trainer.now().first.size()), array("second", trainer.now().second.size()),
                             counters[0], counters[1]};
        trainer.best_parameters = array("best_parameters", n_parameters);
        trainer.losses = curve("losses");
        trainer.accuracies = curve("accuracies");
        trainer.validation_losses = curve("validation_losses");
        trainer.validation_accuracies = curve("validation_accuracies");
        trainer.best_epoch = counters[2];
        trainer.best_loss = figures[0];
        trainer.set_largest_sum_at_start(figures[1]);
        trainer.restore(state);
    }

    nb::dict trouble() const { return to_dict(trainer.trouble); }
};

template <class T>
void bind_trainer(nb::module_ &m, const char *name) {
    nb::class_<Session<T>>(m, name)
        .def(nb::init<const nb::list &, const nb::dict &, nb::tuple, nb::tuple, const Vector<T> &, const std::string &>(),
             "layers"_a, "settings"_a, "train"_a, "validation"_a, "parameters"_a, "kernel"_a = "")
        .def("run", &Session<T>::run, "seconds"_a, "until"_a = nb::none())
        .def("result", &Session<T>::result)
        .def("now", &Session<T>::now)
        .def("watch", &Session<T>::watch, "indices"_a, "keep"_a)
        .def("movements", &Session<T>::movements)
        .def("state", &Session<T>::state)
        .def("restore", &Session<T>::restore, "state"_a)
        .def_prop_ro("parameters", [](Session<T> &s) { return to_numpy(s.trainer.now().parameters); })
        .def_prop_ro("epoch", [](const Session<T> &s) { return s.trainer.epoch(); })
        .def_prop_ro("updates", [](const Session<T> &s) { return s.trainer.updates(); })
        .def_prop_ro("kernel", [](const Session<T> &s) { return s.trainer.kernel(); })
        .def_prop_ro("isa", [](const Session<T> &) { return TINYGLASS_ISA; })
        .def_prop_ro("n_examples", [](const Session<T> &s) { return s.train.inputs.shape(0); })
        .def_prop_ro("position", [](const Session<T> &s) { return s.trainer.position(); })
        .def_prop_ro("last_loss",
                     [](const Session<T> &s) {
                         return s.trainer.losses.empty() ? std::numeric_limits<double>::quiet_NaN()
                                                         : s.trainer.losses.back();
                     })
        .def_prop_ro("trouble", &Session<T>::trouble);
}

// inputs [n][n_in] -> outputs [n][n_out]
template <class T>
nb::object feedforward(const nb::list &layer_arguments, const Vector<T> &parameters, const Matrix<T> &inputs) {
    const std::vector<Layer> layers = make_layers(layer_arguments);
    const std::size_t n = inputs.shape(0), n_out = layers.back().n_out;
    if (inputs.shape(1) != layers.front().n_in || parameters.shape(0) != count_parameters(layers))
        throw std::invalid_argument("inputs do not fit the layers");
    T *outputs = new T[n * n_out];
    nb::capsule owner(outputs, [](void *p) noexcept { delete[] static_cast<T *>(p); });
    {
        nb::gil_scoped_release release;
        Feedforward<T> network(layers);
        network.set_parameters(parameters.data());
        network.outputs(inputs.data(), n, outputs);
    }
    return nb::cast(nb::ndarray<nb::numpy, T, nb::ndim<2>>(outputs, {n, n_out}, owner));
}

}  // namespace

// The instruction sets of this machine that a module may be compiled for, the best first.
static std::vector<std::string> instruction_sets() {
#if defined(__x86_64__)
    std::vector<std::string> found{"baseline"};
    __builtin_cpu_init();
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
    if (avx2) found.insert(found.begin(), "avx2");
    if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        found.insert(found.begin(), "avx512");
    return found;
#elif defined(__ARM_NEON)
    return {"neon"};
#else
    return {"baseline"};
#endif
}

// TINYGLASS_CORE, the name of the module, and TINYGLASS_ISA, that of its instruction set: from CMakeLists.txt.
#define TINYGLASS_MODULE(name) NB_MODULE(name, m)
TINYGLASS_MODULE(TINYGLASS_CORE) {
    m.doc() = "The compiled trainer of tinyglass; tinyglass.training and tinyglass.network speak to it.";
    nb::register_exception_translator([](const std::exception_ptr &p, void *) {
        try {
            std::rethrow_exception(p);
        } catch (const std::bad_cast &) {
            PyErr_SetString(PyExc_ValueError, "an argument has the wrong type, sign or number of dimensions");
        }
    });
    bind_trainer<float>(m, "TrainerFloat32");
    bind_trainer<double>(m, "TrainerFloat64");
    bind_many(m);
    m.def("feedforward_float32", &feedforward<float>, "layers"_a, "parameters"_a, "inputs"_a);
    m.def("feedforward_float64", &feedforward<double>, "layers"_a, "parameters"_a, "inputs"_a);
    m.def("instruction_sets", &instruction_sets);
    m.def("kernels", &kernels_for, "batch"_a);
    m.attr("isa") = TINYGLASS_ISA;
    m.def("measure_peak", &measure_peak, "seconds"_a, nb::call_guard<nb::gil_scoped_release>());
    m.def(
        "set_threads",
        [](int n, std::size_t smallest) {
            allowed_threads() = std::max(1, n);
            smallest_shared_job() = smallest;
        },
        "n"_a, "smallest_job"_a = smallest_job);
    m.def("threads", [] { return allowed_threads().load(); });
    m.def("epoch_order", [](std::size_t n, std::uint64_t seed, std::int64_t epoch) {
        std::vector<std::uint32_t> order(n);
        epoch_order(order, seed, epoch);
        return to_numpy(order);
    });
}
