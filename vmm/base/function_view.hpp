// FunctionView: a view of something callable, for a parameter that is called before the call returns.
//
// Where a callable is kept, std::function owns it; <functional> brings maps, searchers and parallel algorithms into a
// unit, so it stays out of headers that many include.
#pragma once

#include <type_traits>
#include <utility>

namespace gmemfs {

template <typename Signature>
class FunctionView;

/// A view: it never outlives the call that it is passed to. As thread-safe as what it calls.
template <typename Returned, typename... Arguments>
class FunctionView<Returned(Arguments...)> {
public:
    template <typename Callable>
    requires(!std::is_same_v<std::remove_cvref_t<Callable>, FunctionView> &&
             std::is_invocable_r_v<Returned, Callable &, Arguments...>)
        // NOLINTNEXTLINE(google-explicit-constructor,bugprone-forwarding-reference-overload): for lambdas as arguments
        FunctionView(Callable &&callable)
        : object_(const_cast<void *>(static_cast<const void *>(&callable))),
          call_([](void *object, Arguments... arguments) -> Returned {
              return (*static_cast<std::remove_reference_t<Callable> *>(object))(std::forward<Arguments>(arguments)...);
          }) {}

    Returned operator()(Arguments... arguments) const { return call_(object_, std::forward<Arguments>(arguments)...); }

private:
    void *object_;
    Returned (*call_)(void *object, Arguments... arguments);
};

} // namespace gmemfs
