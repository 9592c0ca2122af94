// Lock: mutexes that clang's -Wthread-safety understands; to other compilers they are plain mutexes.
//
// Every member that a lock protects says GUARDED_BY(lock_); a function that needs a lock held says REQUIRES(lock_).
// The order in which locks are taken stands in docs/threads.md. pthreads', because <mutex> and <condition_variable>
// bring clocks and shared pointers into every unit that has a lock.
#pragma once

#include <cstdint>
#include <ctime>
#include <pthread.h>

#if defined(__clang__)
#define GMEMFS_THREAD(x) __attribute__((x))
#else
#define GMEMFS_THREAD(x)
#endif
#define CAPABILITY(x) GMEMFS_THREAD(capability(x))
#define SCOPED_CAPABILITY GMEMFS_THREAD(scoped_lockable)
#define GUARDED_BY(x) GMEMFS_THREAD(guarded_by(x))
#define REQUIRES(...) GMEMFS_THREAD(requires_capability(__VA_ARGS__))
#define REQUIRES_SHARED(...) GMEMFS_THREAD(requires_shared_capability(__VA_ARGS__))
#define ACQUIRE(...) GMEMFS_THREAD(acquire_capability(__VA_ARGS__))
#define ACQUIRE_SHARED(...) GMEMFS_THREAD(acquire_shared_capability(__VA_ARGS__))
#define RELEASE(...) GMEMFS_THREAD(release_capability(__VA_ARGS__))
#define RELEASE_SHARED(...) GMEMFS_THREAD(release_shared_capability(__VA_ARGS__))
#define RELEASE_GENERIC(...) GMEMFS_THREAD(release_generic_capability(__VA_ARGS__))
#define EXCLUDES(...) GMEMFS_THREAD(locks_excluded(__VA_ARGS__))
#define RETURN_CAPABILITY(x) GMEMFS_THREAD(lock_returned(x))

namespace gmemfs {

class CAPABILITY("mutex") Mutex {
public:
    Mutex() = default;
    Mutex(const Mutex &) = delete;
    Mutex &operator=(const Mutex &) = delete;

    void lock() ACQUIRE() { ::pthread_mutex_lock(&mutex_); }
    void unlock() RELEASE() { ::pthread_mutex_unlock(&mutex_); }

private:
    friend class Condition;
    pthread_mutex_t mutex_ = PTHREAD_MUTEX_INITIALIZER;
};

/// What threads wait for. Each tells it a Mutex that it holds, always the same one. A wait may also end for no reason:
/// the caller looks again.
class Condition {
public:
    Condition() = default;
    ~Condition() { ::pthread_cond_destroy(&condition_); }
    Condition(const Condition &) = delete;
    Condition &operator=(const Condition &) = delete;

    void wait(Mutex &mutex) REQUIRES(mutex) { ::pthread_cond_wait(&condition_, &mutex.mutex_); }
    void wait_for(Mutex &mutex, std::int64_t timeout_ns) REQUIRES(mutex) {
        constexpr std::int64_t kSecond = 1'000'000'000;
        timespec end = {};
        ::clock_gettime(CLOCK_MONOTONIC, &end);
        const std::int64_t end_ns = end.tv_nsec + timeout_ns;
        end = {end.tv_sec + end_ns / kSecond, end_ns % kSecond};
        ::pthread_cond_clockwait(&condition_, &mutex.mutex_, CLOCK_MONOTONIC, &end);
    }
    void notify_one() { ::pthread_cond_signal(&condition_); }
    void notify_all() { ::pthread_cond_broadcast(&condition_); }

private:
    pthread_cond_t condition_ = PTHREAD_COND_INITIALIZER;
};

/// A shared mutex whose waiting writer goes before readers that come later. std::shared_mutex lets a stream of readers
/// keep a truncate out for ever (glibc's default). So a thread that holds this lock shared must not take it again.
class CAPABILITY("shared mutex") SharedMutex {
public:
    SharedMutex() {
        pthread_rwlockattr_t attributes;
        ::pthread_rwlockattr_init(&attributes);
        ::pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
        ::pthread_rwlock_init(&lock_, &attributes);
        ::pthread_rwlockattr_destroy(&attributes);
    }
    ~SharedMutex() { ::pthread_rwlock_destroy(&lock_); }
    SharedMutex(const SharedMutex &) = delete;
    SharedMutex &operator=(const SharedMutex &) = delete;

    void lock() ACQUIRE() { ::pthread_rwlock_wrlock(&lock_); }
    void unlock() RELEASE() { ::pthread_rwlock_unlock(&lock_); }
    void lock_shared() ACQUIRE_SHARED() { ::pthread_rwlock_rdlock(&lock_); }
    void unlock_shared() RELEASE_SHARED() { ::pthread_rwlock_unlock(&lock_); }

private:
    pthread_rwlock_t lock_;
};

/// Holds a Mutex for as long as it lives.
class SCOPED_CAPABILITY Hold {
public:
    explicit Hold(Mutex &mutex) ACQUIRE(mutex) : mutex_(mutex) { mutex_.lock(); }
    ~Hold() RELEASE() { mutex_.unlock(); }
    Hold(const Hold &) = delete;
    Hold &operator=(const Hold &) = delete;

private:
    Mutex &mutex_;
};

/// Holds a SharedMutex alone.
class SCOPED_CAPABILITY HoldExclusive {
public:
    explicit HoldExclusive(SharedMutex &mutex) ACQUIRE(mutex) : mutex_(mutex) { mutex_.lock(); }
    ~HoldExclusive() RELEASE() { mutex_.unlock(); }
    HoldExclusive(const HoldExclusive &) = delete;
    HoldExclusive &operator=(const HoldExclusive &) = delete;

private:
    SharedMutex &mutex_;
};

/// Holds a SharedMutex together with other readers.
class SCOPED_CAPABILITY HoldShared {
public:
    explicit HoldShared(SharedMutex &mutex) ACQUIRE_SHARED(mutex) : mutex_(mutex) { mutex_.lock_shared(); }
    ~HoldShared() RELEASE_GENERIC() { mutex_.unlock_shared(); }
    HoldShared(const HoldShared &) = delete;
    HoldShared &operator=(const HoldShared &) = delete;

private:
    SharedMutex &mutex_;
};

} // namespace gmemfs
