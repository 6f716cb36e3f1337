//! The parts of a trial: churn under load, without and with an engine that goes away, and the gateway at rest after each.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use super::book::Way;
use super::fleet::Fleet;
use super::watch::{LATE, Series};
use super::{SERVICES, all_served, service};
use crate::docker::Door;
use crate::gateway::Gateway;
use crate::load::Load;
use crate::place::Place;
use crate::rest::Rest;
use crate::script::Mixed;
use crate::tally::Tally;

/// Requests a second for each service.
const RATE: f64 = 100.0;

/// Kept connections for each.
const LANES: u32 = 16;

/// The part of the time that goes by before anything is measured.
const WARM_SHARE: f64 = 0.2;

/// When the engine's socket goes, and when the engine is killed, in shares of the rest.
const SOCKET_GOES: f64 = 0.3;
const ENGINE_DIES: f64 = 0.7;

/// How long the socket is gone, and which part of the time at most.
const SOCKET_GONE: Duration = Duration::from_secs(30);
const SOCKET_GONE_SHARE: f64 = 0.2;

/// How long the engine is down before somebody starts it again.
const ENGINE_DOWN: Duration = Duration::from_secs(3);

/// Numbers of one load before those of the next begin.
const FURTHER: u64 = 1_000_000_000;

pub struct Phases<'a> {
    pub place: &'a Place,
    pub fleet: &'a Fleet<'a>,
    pub door: Door,
    /// How many containers there are to be.
    pub count: usize,
    figures: Figures,
}

/// What was counted.
#[derive(Default)]
pub struct Figures {
    pub took: Duration,
    /// Of each load: in both parts one for each service.
    pub tallies: Vec<Arc<Tally>>,
    /// When the engine could not be asked, until shortly after its return.
    pub gone: Vec<(Instant, Instant)>,
    /// Requests that a container of another service answered meanwhile.
    pub strayed_while_gone: u64,
    /// The gateway at rest, and its series, before and after.
    pub rests: Vec<(Rest, usize)>,
}

impl Figures {
    /// Requests that a container of another service answered.
    pub fn strayed(&self) -> u64 {
        let of = |(nth, tally): (usize, &Arc<Tally>)| -> u64 {
            let others = tally.by_origin.iter().enumerate().filter(|(origin, _)| *origin != nth % SERVICES);
            others.map(|(_, count)| tally.count(count)).sum()
        };
        self.tallies.iter().enumerate().map(of).sum()
    }
}

impl<'a> Phases<'a> {
    pub fn new(place: &'a Place, fleet: &'a Fleet<'a>, door: Door, count: usize) -> Phases<'a> {
        Phases { place, fleet, door, count, figures: Figures::default() }
    }

    /// All of them, in so much time.
    pub fn all(mut self, gateway: &Gateway, time: Duration) -> io::Result<Figures> {
        let start = Instant::now();
        for (share, engine_goes) in [(WARM_SHARE, false), (1.0 - WARM_SHARE, true)] {
            self.churn(time.mul_f64(share), engine_goes)?;
            let rest = Rest::come_to(gateway, self.place)?;
            self.figures.rests.push((rest, Series::count(self.place.admin())?.all));
        }
        self.figures.took = start.elapsed();
        Ok(self.figures)
    }

    /// Churn under load for so long; at last all containers are up.
    fn churn(&mut self, time: Duration, engine_goes: bool) -> io::Result<()> {
        let loads = (0..SERVICES).map(|nth| self.load(nth)).collect::<io::Result<Vec<Load>>>()?;
        let (fleet, stop) = (self.fleet, AtomicBool::new(false));
        std::thread::scope(|scope| {
            let churning = scope.spawn(|| fleet.churn(&stop));
            let start = Instant::now();
            let wait_until = |share: f64| std::thread::sleep(time.mul_f64(share).saturating_sub(start.elapsed()));
            let mut happens = || {
                if engine_goes {
                    wait_until(SOCKET_GOES);
                    self.socket_goes(SOCKET_GONE.min(time.mul_f64(SOCKET_GONE_SHARE)))?;
                    wait_until(ENGINE_DIES);
                    self.engine_dies()?;
                }
                wait_until(1.0);
                Ok(())
            };
            let happened = happens();
            stop.store(true, Ordering::Release);
            let churned = churning.join().map_err(|_| io::Error::other("the churn panicked"));
            happened.and(churned)
        })?;
        fleet.bring_all_up(&fleet.engine())?;
        all_served(self.place, self.count)?;
        loads.into_iter().try_for_each(|load| load.finish().map(drop))
    }

    fn load(&mut self, nth: usize) -> io::Result<Load> {
        let prefix = format!("/{}/", service(nth));
        let load = Load::start(Mixed {
            first: (self.figures.tallies.len() as u64 + 1) * FURTHER,
            slow: true,
            lanes: LANES,
            rate: Some(RATE),
            ..Mixed::new(vec![self.place.listener(0)], &[&prefix])
        })?;
        self.figures.tallies.push(Arc::clone(&load.tally));
        Ok(load)
    }

    /// The gateway's way to the engine is gone for so long. Everything else goes on.
    fn socket_goes(&mut self, time: Duration) -> io::Result<()> {
        self.while_gone(|phases| {
            phases.door.shut();
            std::thread::sleep(time);
            phases.door.open()?;
            phases.fleet.book.way_is(Way::OpenSince(Instant::now()));
            Ok(())
        })
    }

    /// The engine is killed and started again, which ends most containers. They are started again too.
    fn engine_dies(&mut self) -> io::Result<()> {
        let fleet = self.fleet;
        // from when nobody does anything to containers any more
        let mut engine = fleet.engine.write().unwrap_or_else(PoisonError::into_inner);
        self.while_gone(|phases| {
            engine.kill()?;
            std::thread::sleep(ENGINE_DOWN);
            engine.start_again()?;
            fleet.book.way_is(Way::OpenSince(Instant::now()));
            fleet.bring_all_up(&engine)?;
            all_served(phases.place, phases.count)
        })
    }

    /// Does something while which the engine cannot be asked, until all is well again.
    fn while_gone(&mut self, work: impl FnOnce(&mut Self) -> io::Result<()>) -> io::Result<()> {
        let (before, start) = (self.figures.strayed(), Instant::now());
        self.fleet.book.way_is(Way::GoneSince(start));
        work(self)?;
        std::thread::sleep(LATE);
        self.figures.gone.push((start, Instant::now()));
        self.figures.strayed_while_gone += self.figures.strayed() - before;
        Ok(())
    }
}
